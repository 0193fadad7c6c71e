@echo off
rem Copies NVIDIA's cuBLAS and cuDNN to where faster-whisper's engine looks for them first: its own folder in the
rem environment beside this file. No administrator is needed.
rem     copy_cuda_dlls.bat [/y]         /y: without asking
rem Rarely needed: reswhis finds what "uv sync --extra cuda" has installed. It is for a start that still says that
rem cublas64_12.dll, cudnn_ops64_9.dll or another of them cannot be found. CTranslate2 asks for cuDNN up to 4.6.2 only:
rem where there is none, none is copied.
setlocal EnableExtensions DisableDelayedExpansion
set "code=1"
set "site=%~dp0.venv\Lib\site-packages"
set "target=%site%\ctranslate2"
set "folder="
set "cublas="
set "cudnn="

rem Explorer runs cmd /c ""C:\...\copy_cuda_dlls.bat" ", with a blank at the end; nobody else does.
set "window="
set "line=%CMDCMDLINE:"=%"
set "line=%line:*/c =%"
if /i "%line%"=="%~f0 " set "window=yes"

if exist "%target%\ctranslate2.dll" goto find
echo There is no faster-whisper in "%~dp0.venv" yet. Start run.bat first.
goto ended

:find
rem What is found later wins: installed versions, what CUDA_PATH and CUDNN_PATH choose, the environment's own. The
rem parts of cuDNN must be of one version, so they come from one folder, and with them cudnn64_9.dll, although
rem CTranslate2 brings one.
call :versions "%ProgramFiles%\NVIDIA GPU Computing Toolkit\CUDA"
call :versions "%ProgramFiles%\NVIDIA\CUDNN"
if defined CUDA_PATH call :folder "%CUDA_PATH%\bin"
if defined CUDNN_PATH call :folder "%CUDNN_PATH%\bin"
if exist "%site%\nvidia\cublas\bin\cublas64_12.dll" set "cublas=%site%\nvidia\cublas\bin"
if exist "%site%\nvidia\cudnn\bin\cudnn_ops64_9.dll" set "cudnn=%site%\nvidia\cudnn\bin"
if defined cublas goto compare
echo cuBLAS 12 is not found: cublas64_12.dll
echo One command installs it, and nothing needs to be copied then:
echo.
echo     uv sync --extra cuda
echo.
goto ended

:compare
set "copying="
set "count=0"
call :each
if not "%count%"=="0" goto ask
echo Nothing to do: what is found is already in "%target%".
set "code=0"
goto ended

:ask
echo.
echo would be copied into
echo   "%target%"
echo.
if "%cublas%"=="%site%\nvidia\cublas\bin" echo reswhis finds these as they are; copy them only if it says not.
if /i "%~1"=="/y" goto copy
set "answer="
set /p "answer=Copy these %count% files? [y/N] "
if defined answer set "answer=%answer:"=%"
if /i "%answer%"=="y" goto copy
if /i "%answer%"=="yes" goto copy
echo Nothing was copied.
goto ended

:copy
set "copying=yes"
set "code=0"
call :each
if "%code%"=="0" echo Copied. To undo it: uv sync --reinstall-package ctranslate2
if not "%code%"=="0" echo Not everything could be copied. Is reswhis running, or the disk full?

:ended
if not defined window exit /b %code%
pause
exit /b %code%


rem The folder of all installed versions of CUDA or cuDNN.
:versions
if not exist "%~1\" exit /b 0
pushd "%~1"
for /d %%V in (v12* v9*) do call :version "%%~fV"
popd
exit /b 0

rem One version's folder. cuDNN 9 has its files in bin, in bin\12.x or in bin\12.x\x64.
:version
call :folder "%~1\bin"
pushd "%~1"
for /d %%B in (bin\12*) do call :folder "%%~fB"
for /d %%B in (bin\12*) do call :folder "%%~fB\x64"
popd
exit /b 0

:folder
if exist "%~1\cublas64_12.dll" set "cublas=%~1"
if exist "%~1\cudnn_ops64_9.dll" set "cudnn=%~1"
exit /b 0

rem Says what would be copied, or with "copying" set, copies it.
:each
set "folder=%cublas%"
set "headline=yes"
pushd "%folder%"
for %%F in (cublas*64_12.dll) do call :file "%%F" "%%~zF"
popd
if not defined cudnn exit /b 0
set "folder=%cudnn%"
set "headline=yes"
pushd "%folder%"
for %%F in (cudnn*64_9.dll) do call :file "%%F" "%%~zF"
popd
exit /b 0

rem One file: its name and its size, by which it is told whether it is there.
:file
set "dll=%~1"
set "there="
for %%T in ("%target%\%dll%") do set "there=%%~zT"
if "%there%"=="%~2" exit /b 0
set /a count+=1
if defined copying goto copy_file
if defined headline echo From "%folder%":
set "headline="
set "note="
if defined there set "note=, instead of the one that is there"
echo   %dll%%note%
exit /b 0

:copy_file
copy /b /y "%folder%\%dll%" "%target%\%dll%" >nul
if errorlevel 1 set "code=1"
exit /b 0
