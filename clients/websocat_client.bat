@echo off
rem Streams a microphone to a reswhis server, with ffmpeg and websocat alone, and prints what the server sends:
rem     websocat_client.bat [ws://host:8000/ws/transcribe]
rem By a double click it asks for the microphone and takes the server on this computer. An address with & in it needs
rem quotes. docs\windows.md says more.
setlocal EnableExtensions DisableDelayedExpansion
set "code=1"
set "page="
set "url=%~1"
if not defined url set "url=ws://localhost:8000/ws/transcribe"

rem Explorer runs cmd /c ""C:\...\websocat_client.bat" ", with a blank at the end; nobody else does.
set "window="
set "line=%CMDCMDLINE:"=%"
set "line=%line:*/c =%"
if /i "%line%"=="%~f0 " set "window=yes"

if /i "%url:~0,5%"=="ws://" goto find
if /i "%url:~0,6%"=="wss://" goto find
echo The address must begin with ws:// or wss://, such as ws://192.168.1.20:8000/ws/transcribe.
goto ended

:find
rem Also beside this file, and where uv puts tools; websocat also under the name that it is downloaded with.
set "PATH=%~dp0;%PATH%;%USERPROFILE%\.local\bin"
set "ffmpeg="
set "websocat="
for %%P in (ffmpeg.exe) do if not "%%~$PATH:P"=="" set "ffmpeg=%%P"
for %%P in (websocat.x86_64-pc-windows-gnu.exe websocat.exe) do if not "%%~$PATH:P"=="" set "websocat=%%P"
if defined ffmpeg if defined websocat goto list
if not defined ffmpeg echo ffmpeg.exe is not found. This installs it: winget install Gyan.FFmpeg
if not defined ffmpeg echo It is also at https://ffmpeg.org/download.html
if not defined websocat echo websocat.exe is not found. This installs it: uv tool install websocat
if not defined websocat echo It is also at https://github.com/vi/websocat/releases
echo A downloaded .exe is found in the folder of this file. Then open a new window and start again.
goto ended

:list
rem ffmpeg lists devices in UTF-8 and websocat prints UTF-8.
for /f "tokens=2 delims=:." %%C in ('chcp') do set "page=%%C"
chcp 65001 >nul
set "count=0"
set "section="
set "waiting="
for /f "delims=" %%L in ('%ffmpeg% -hide_banner -list_devices true -f dshow -i dummy 2^>^&1') do (
    set line=%%L
    call :line
)
set "default=1"
set "question=Which microphone? [1] "
if not "%count%"=="0" goto ask
echo ffmpeg finds no microphone. Is one connected, and may programs use it
echo (Settings, Privacy and security, Microphone, desktop apps)? It says:
echo.
%ffmpeg% -hide_banner -list_devices true -f dshow -i dummy
goto ended

:ask
set "choice="
echo.
set /p "choice=%question%"
if defined choice set "choice=%choice:"=%"
if not defined choice set "choice=%default%"
if not defined choice goto ended
set "device="
for /f "tokens=1* delims==" %%A in ('set device_') do if "%%A"=="device_%choice%" set "device=%%B"
if defined device goto try
echo Please type a number from 1 to %count%.
rem From here on, nothing typed chooses nothing: what was meant is not clear, or nobody is there.
set "default="
set "question=Which microphone? "
goto ask

:try
rem Alone first: websocat would wait for ever for a microphone that cannot be opened.
%ffmpeg% -hide_banner -loglevel error -f dshow -i audio="%device%" -t 0.2 -f null -
if not errorlevel 1 goto stream
echo.
echo The microphone cannot be opened. Is another program using it, or may desktop apps not use it
echo (Settings, Privacy and security, Microphone)?
goto ended

:stream
echo.
<nul set /p "=Streaming to %url%"
echo.
echo Speak; what the server understands appears below. To stop, press Ctrl-C.
echo.
%ffmpeg% -loglevel error -f dshow -i audio="%device%" -ac 1 -ar 16000 -f s16le - | %websocat% --binary -n "%url%"
set "code=%errorlevel%"
if "%code%"=="0" goto ended
echo.
echo websocat has ended with an error (exit code %code%). Is the server running? On this computer, run.bat starts it.

:ended
if defined page chcp %page% >nul
if "%code%"=="0" exit /b 0
if defined window pause
exit /b %code%


rem One line of ffmpeg's listing, in "line". Since version 5 each device says what it is:
rem     [dshow @ 0000] "Microphone (USB)" (audio)
rem and before, there was a headline:
rem     [dshow @ 0000] DirectShow audio devices
rem     [dshow @ 0000]  "Microphone (USB)"
rem Both are followed by an alternative name. That is the one to open a device by: it is in ASCII, without the
rem characters that mean something to this shell or to ffmpeg, and two devices never share it.
:line
set "line=%line:"=|%"
set "before="
set "name="
set "after="
for /f "tokens=1-3 delims=|" %%A in ("%line%") do (
    set "before=%%A"
    set "name=%%B"
    set "after=%%C"
)
if not "%before:DirectShow video=%"=="%before%" set "section=video"
if not "%before:DirectShow audio=%"=="%before%" set "section=audio"
if not defined name exit /b 0
if not "%before:Alternative=%"=="%before%" goto alternative
set "waiting="
if not defined after set "after=%section%"
if not defined after exit /b 0
if "%after:audio=%"=="%after%" exit /b 0
set /a count+=1
set "device_%count%=%name%"
set "waiting=yes"
<nul set /p "=%count%  %name%"
echo.
exit /b 0

:alternative
if defined waiting set "device_%count%=%name%"
set "waiting="
exit /b 0
