"""What a key is for: it does what its usages name, and nothing else."""

from __future__ import annotations

from enum import StrEnum


class Usage(StrEnum):
    """What a key may be created for: the names of operations, and of one format."""

    SIGN = "sign"
    VERIFY = "verify"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    WRAP = "wrap"
    UNWRAP = "unwrap"
    GENERATE_DATA_KEY = "generateDataKey"
    GENERATE_DATA_KEY_WRAPPED_ONLY = "generateDataKeyWrappedOnly"
    GENERATE_DATA_KEY_PAIR = "generateDataKeyPair"
    GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY = "generateDataKeyPairWrappedOnly"
    REENCRYPT = "reEncrypt"
    MAC = "mac"
    VERIFY_MAC = "verifyMac"
    DERIVE = "derive"
    ENCAPSULATE = "encapsulate"
    DECAPSULATE = "decapsulate"
    WRAP_RFC5649 = "wrapRfc5649"
