"""The HTTP server and its web page; needs the extra ``serve``."""

from pgmel.interfaces.http.app import create_app
from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.logs import set_up_logs
from pgmel.interfaces.http.reconciliation import ReconciliationOptions
from pgmel.interfaces.http.server import address_of, open_socket, run_server

__all__ = ["Limits", "ReconciliationOptions", "address_of", "create_app", "open_socket", "run_server", "set_up_logs"]
