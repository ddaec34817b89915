"""The log of a process: one JSON object per line on standard error."""

import logging
import sys

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer


def configure_logging(service: str, instance: str, level: str) -> None:
    """Log one JSON object per line from now on, each with the names of the service and of this process (`instance`).

    Messages of libraries have the same form; only warnings and errors of them are logged.
    """
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without local variables: they contain photographs and vectors.
        ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*chain, JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service, instance=instance)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=chain, processors=[ProcessorFormatter.remove_processors_meta, JSONRenderer()]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
