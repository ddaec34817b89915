"""The report of a run: one HTML page, and maps of embeddings as files."""

from services.standalone.report.content import ReportSettings
from services.standalone.report.page import write_page, write_report
from services.standalone.report.scatter import write_map

__all__ = ["ReportSettings", "write_map", "write_page", "write_report"]
