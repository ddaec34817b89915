"""Write the Grafana dashboard, `dashboards/facestream.json`.

python -m deploy.grafana.make_dashboard
"""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import TimeZoneBrowser
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from deploy.grafana.rows import ROWS

TARGET = Path(__file__).with_name("dashboards") / "facestream.json"


def dashboard() -> Dashboard:
    """Return the dashboard."""
    made = (
        Dashboard("facestream")
        .uid("facestream")
        .description("The stream from uploaded photographs to people. Help for each alert: docs/operations/runbook.md.")
        .tags(["facestream"])
        .time("now-6h", "now")
        .timezone(TimeZoneBrowser)
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for title, panels in ROWS.items():
        made = made.with_row(Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def text() -> str:
    """Return the dashboard as JSON."""
    built = dashboard().build()
    # Without an id Grafana assigns one at every start, which breaks links to a panel.
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    tree = json.loads(JSONEncoder(sort_keys=True).encode(built))
    return json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
