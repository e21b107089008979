# From a fresh clone to the report: .\run.ps1, or .\run.ps1 configs\my.yaml. See deploy/start.py --help.
Set-Location $PSScriptRoot
foreach ($candidate in @(@("py", "-3"), @("python"), @("python3"))) {
    $name, $rest = $candidate
    if (-not (Get-Command $name -ErrorAction SilentlyContinue)) { continue }
    & $name @rest -c "import sys; sys.exit(sys.version_info < (3, 11))" 2> $null
    if ($LASTEXITCODE -eq 0) {
        & $name @rest deploy/start.py @args
        exit $LASTEXITCODE
    }
}
[Console]::Error.WriteLine("Python 3.11 or newer was not found.`n  where: PATH`n  to do: winget install Python.Python.3.12, then run the same command again")
exit 2
