"""The conformance kit: a test class per port. Subclass it, give it your provider, run pytest."""

from aegis_kernel.testing.audit_sink import AuditSinkConformance
from aegis_kernel.testing.authenticator import AuthenticatorConformance
from aegis_kernel.testing.authorizer import AuthorizerConformance
from aegis_kernel.testing.journal import JournalConformance
from aegis_kernel.testing.journal_backup import JournalBackupConformance
from aegis_kernel.testing.journal_faults import Breakage, JournalFaultConformance
from aegis_kernel.testing.material_keeper import MaterialKeeperConformance
from aegis_kernel.testing.policy_keeper import PolicyKeeperConformance
from aegis_kernel.testing.root_of_trust import RootOfTrustConformance
from aegis_kernel.testing.telemetry import TelemetryConformance

__all__ = [
    "AuditSinkConformance",
    "AuthenticatorConformance",
    "AuthorizerConformance",
    "Breakage",
    "JournalBackupConformance",
    "JournalConformance",
    "JournalFaultConformance",
    "MaterialKeeperConformance",
    "PolicyKeeperConformance",
    "RootOfTrustConformance",
    "TelemetryConformance",
]
