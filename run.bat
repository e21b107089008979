@echo off
rem From a fresh clone to the report: double-click, or run.bat configs\my.yaml. See deploy\start.py --help.
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0run.ps1" %*
set code=%ERRORLEVEL%
echo %CMDCMDLINE% | find /i "/c" > nul && pause
exit /b %code%
