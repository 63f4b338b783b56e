"""The Entity Reconciliation API of the W3C community group of that name, versions 0.2 and 1.0-draft, over the linker in service.

Source: https://www.w3.org/community/reports/reconciliation/CG-FINAL-specs-0.2-20230410/ and
https://reconciliation-api.github.io/specs/1.0-draft/.
"""

from pgmel.interfaces.http.reconciliation.options import ReconciliationOptions
from pgmel.interfaces.http.reconciliation.routes import DRAFT_ROOT, ROOT, make_reconciliation_router
from pgmel.interfaces.http.reconciliation.service import Reconciliation

__all__ = ["DRAFT_ROOT", "ROOT", "Reconciliation", "ReconciliationOptions", "make_reconciliation_router"]
