@echo off
rem Starts reswhis: by a double click, or in a console, for instance: run.bat --port 9000
rem docs\windows.md says more.
rem
rem In ASCII and without chcp: uv and Python write Unicode to a console whatever its code page is. Without delayed
rem expansion, which would eat a ! in a path or an argument.
setlocal EnableExtensions DisableDelayedExpansion
set "here=%~dp0"
set "asked="
set arguments=%*

rem Explorer runs cmd /c ""C:\...\run.bat" ", with a blank at the end; consoles, PowerShell, CI and services do not.
set "window="
set "line=%CMDCMDLINE:"=%"
set "line=%line:*/c =%"
if /i "%line%"=="%~f0 " set "window=yes"

rem Whoever names a configuration file means what is in it, and variables would win over it.
if defined RESWHIS_CONFIG goto find_uv
if not defined arguments goto settings
set "plain=%arguments:"=%"
if not defined plain goto settings
if not "%plain:--config=%"=="%plain%" goto find_uv

:settings
rem ---- Settings -------------------------------------------------------------------------------------------------
rem Change what stands after the second "=". What your environment has already set is left as it is, and an argument
rem wins over both: run.bat --language de

rem What is spoken: en, de, fr, ... or auto, which hears it for itself, less surely from a few words.
if not defined LANGUAGE set "LANGUAGE=en"

rem tiny, base, small, medium, large-v3, large-v3-turbo: each better and slower than the one before. auto takes the
rem best that this computer can follow live.
if not defined MODEL_SIZE set "MODEL_SIZE=auto"

rem The recogniser. auto is faster-whisper, or a simple English one as long as no model can be downloaded.
if not defined BACKEND set "BACKEND=auto"

rem Seconds of new speech before it is looked at again: less shows words sooner and is more work.
if not defined MINIMUM_CHUNK_SIZE set "MINIMUM_CHUNK_SIZE=0.5"

rem Begin a new line when the speaker pauses. With False, only who listens ends one.
if not defined USE_VOICE_ACTIVITY_CONTROLLER set "USE_VOICE_ACTIVITY_CONTROLLER=True"

rem Leave long silences inside an utterance out of what the recogniser hears.
if not defined USE_VOICE_ACTIVITY_DETECTION set "USE_VOICE_ACTIVITY_DETECTION=False"

rem Do not change: Whisper hears 16000 samples per second.
if not defined SAMPLING_RATE set "SAMPLING_RATE=16000"
rem ---------------------------------------------------------------------------------------------------------------

:find_uv
rem pyenv-win has a uv.bat; without "call", no line after it would be run. "call" spoils %% and ^ in arguments, so
rem that uv.exe goes without.
set "uv="
for %%U in (uv.exe uv.cmd uv.bat) do if not defined uv set "uv=%%~$PATH:U"
if not defined uv if exist "%USERPROFILE%\.local\bin\uv.exe" set "uv=%USERPROFILE%\.local\bin\uv.exe"
if not defined uv goto find_python
set run="%uv%"
if /i not "%uv:~-4%"==".exe" set run=call "%uv%"
goto start

:find_python
set "python="
for %%P in (py.exe python.exe python.bat) do if not defined python if not "%%~$PATH:P"=="" call :try %%~nP
if not defined python goto no_uv
set run=call %python% -m uv
call %python% -m uv --version >nul 2>&1
if not errorlevel 1 goto start

:no_uv
if defined asked goto not_found
set "asked=yes"
set install=powershell -NoProfile -ExecutionPolicy ByPass -Command "irm https://astral.sh/uv/install.ps1 | iex"
if defined python set install=%python% -m pip install uv
echo reswhis is installed and started by uv, which is not on this computer yet (https://docs.astral.sh/uv/).
echo This command installs it:
echo.
echo     %install%
echo.
set "answer="
set /p "answer=Run it now? [y/N] "
echo.
if defined answer set "answer=%answer:"=%"
if /i not "%answer%"=="y" if /i not "%answer%"=="yes" goto not_installed
call %install%
if not errorlevel 1 goto find_uv
echo.
echo uv could not be installed; what went wrong stands above.
goto not_started

:not_installed
echo Nothing was installed. Run the command yourself, then start run.bat again.
goto not_started

:not_found
echo uv is installed but cannot be found. Open a new window and start run.bat again.

:not_started
if defined window pause
exit /b 1

:start
if not exist "%here%.venv\" echo First start: what reswhis needs is downloaded now, which takes some minutes.
rem Without its libraries a GPU would be seen and could not be used. RESWHIS_DEVICE=cpu does without both.
set "cuda="
set "nvidia="
for %%P in (nvidia-smi.exe) do set "nvidia=%%~$PATH:P"
if not defined nvidia goto announce
if /i "%RESWHIS_DEVICE%"=="cpu" goto announce
set "cuda=--extra cuda"
if exist "%here%.venv\Lib\site-packages\nvidia\cublas\" goto announce
echo This computer has an NVIDIA GPU: its libraries (more than 600 MB) are downloaded now, once.
echo To use the processor instead, press Ctrl-C, then run: setx RESWHIS_DEVICE cpu

:announce
if defined arguments goto run
echo Once "ready" stands below, open the address that it is listening on in a browser.
set "spoken=%LANGUAGE%"
if defined RESWHIS_LANGUAGE set "spoken=%RESWHIS_LANGUAGE%"
if defined spoken echo It expects the language "%spoken%"; to change that or the model, edit run.bat.
echo To stop, press Ctrl-C or close this window.
echo.

:run
rem --project instead of cd: relative paths in the arguments start where the user is. The dot keeps the backslash at
rem the end of the path from escaping the quote. --no-dev: without the tools for developing reswhis.
%run% run --no-dev %cuda% --project "%here%." reswhis %*
set "code=%errorlevel%"
rem Ctrl-C, in Python's numbers and in Windows'.
if "%code%"=="130" exit /b 130
if "%code%"=="-1073741510" exit /b -1073741510
if "%code%"=="0" exit /b 0
if not defined window exit /b %code%
echo.
echo reswhis has ended with an error (exit code %code%), which stands above. docs\windows.md may help.
pause
exit /b %code%


rem Running it tells a Python from the Microsoft Store's placeholder of the same name.
:try
call %1 -c "" >nul 2>&1
if not errorlevel 1 set "python=%1"
exit /b 0
