"""`michisora doctor`: what is installed, which back end will run, and what is missing."""

import json
from pathlib import Path

import click

from pipelines.health import Finding, examine, is_healthy

__all__ = ["doctor"]

_MARKS = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Say what is installed, which back end will run, and what is missing. Exit code 1 when something is broken."""
    findings = examine(Path.cwd())
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            click.echo(_line(finding))
    return 0 if is_healthy(findings) else 1


def _line(finding: Finding) -> str:
    text = f"{_MARKS[finding.state]}  {finding.topic:<9}  {finding.item}: {finding.detail}"
    return f"{text}. {finding.remedy}" if finding.remedy else text
