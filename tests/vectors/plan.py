"""Which published file is read by what, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase

from tests.vectors import agreements, ec_signatures, encryption, other_signatures, symmetric
from tests.vectors import rsa_signatures as rsa
from tests.vectors.case import Case
from tests.vectors.files import HOME

Reader = Callable[[str], Iterator[Case]]

READERS: Mapping[str, Reader] = {
    "HMAC/rfc-4231-sha256.txt": symmetric.hmac_rfc4231,
    "HMAC/rfc-4231-sha384.txt": symmetric.hmac_rfc4231,
    "HMAC/rfc-4231-sha512.txt": symmetric.hmac_rfc4231,
    "HPKE/*.json": encryption.hpke_vectors,
    "KDF/hkdf-generated.txt": agreements.hkdf,
    "KDF/nist-800-108-KBKDF-CTR.txt": symmetric.kbkdf,
    "KDF/rfc-5869-HKDF-SHA256.txt": agreements.hkdf,
    "asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_*.fax": agreements.ecdh,
    "asymmetric/ECDSA/FIPS_186-?/PKV.rsp": agreements.public_keys,
    "asymmetric/ECDSA/FIPS_186-?/SigGen.*": ec_signatures.cavp,
    "asymmetric/ECDSA/FIPS_186-?/SigVer.rsp": ec_signatures.cavp,
    "asymmetric/ECDSA/RFC6979/*.txt": ec_signatures.rfc6979,
    "asymmetric/ECDSA/SECP256K1/SigGen.txt": ec_signatures.cavp,
    "asymmetric/Ed25519/sign.input": other_signatures.ed25519_input,
    "asymmetric/Ed448/rfc8032.txt": other_signatures.ed448_rfc8032,
    "asymmetric/MLDSA/*.rsp": other_signatures.ml_dsa,
    "asymmetric/MLKEM/kat_MLKEM_1024.rsp": encryption.ml_kem,
    "asymmetric/MLKEM/kat_MLKEM_768.rsp": encryption.ml_kem,
    "asymmetric/RSA/FIPS_186-2/Sig*15_186-?.*": rsa.pkcs1,
    "asymmetric/RSA/FIPS_186-2/Sig*PSS_186-?.*": rsa.pss,
    "asymmetric/RSA/SigVer15EMTest.txt": rsa.pkcs1,
    "asymmetric/RSA/oaep-custom/*.txt": encryption.oaep,
    "asymmetric/RSA/oaep-label.txt": encryption.oaep_label,
    "asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt": encryption.oaep,
    "asymmetric/RSA/pkcs-1v2-1d2-vec/pss-vect.txt": rsa.of_sha1,
    "asymmetric/RSA/pkcs1v15crypt-vectors.txt": encryption.oaep,
    "asymmetric/RSA/pkcs1v15sign-vectors.txt": rsa.of_sha1,
    "ciphers/AES/GCM/gcmDecrypt*.rsp": symmetric.gcm_decryption,
    "ciphers/AES/GCM/gcmEncryptExtIV*.rsp": symmetric.gcm_encryption,
    "keywrap/kwp_botan.txt": symmetric.kwp_encryption,
    "keywrap/kwtestvectors/KWP_AD_???.txt": symmetric.kwp_decryption,
    "keywrap/kwtestvectors/KWP_AE_???.txt": symmetric.kwp_encryption,
    "keywrap/kwtestvectors/KW_AD_???.txt": symmetric.kw_decryption,
}

_NO_SUCH_ALGORITHM = "no algorithm of ours"
_ENCODING = "an encoding of keys or certificates, not an algorithm; imports have tests of their own"

NOT_APPLICABLE: Mapping[str, str] = {
    "CMAC/*": _NO_SUCH_ALGORITHM,
    "HMAC/rfc-2202-*": "HMAC with MD5 or SHA-1",
    "HMAC/rfc-2286-*": "HMAC with RIPEMD-160",
    "HMAC/rfc-4231-sha224.txt": "HMAC with SHA-224",
    "KDF/ansx963_2001.txt": _NO_SUCH_ALGORITHM,
    "KDF/argon2*": _NO_SUCH_ALGORITHM,
    "KDF/rfc-5869-HKDF-SHA1.txt": "HKDF with SHA-1",
    "KDF/rfc-6070-PBKDF2-SHA1.txt": _NO_SUCH_ALGORITHM,
    "KDF/scrypt.txt": _NO_SUCH_ALGORITHM,
    "asymmetric/DER_Serialization/*": _ENCODING,
    "asymmetric/DH/*": _NO_SUCH_ALGORITHM,
    "asymmetric/DSA/*": _NO_SUCH_ALGORITHM,
    "asymmetric/EC/*": _ENCODING,
    "asymmetric/ECDH/*KDFConcat*": "ECDH with another KDF; its points are those of the ZZOnly files",
    "asymmetric/ECDH/brainpool.txt": "curves that we have no keys on",
    "asymmetric/ECDSA/FIPS_186-?/KeyPair.rsp": "key generation in the library; no input of ours",
    "asymmetric/ECDSA/FIPS_186-?/Readme.txt": "no vectors",
    "asymmetric/Ed25519/*.[dp]??": _ENCODING,
    "asymmetric/Ed448/*.[dp]??": _ENCODING,
    "asymmetric/MLDSA/*.der": _ENCODING,
    "asymmetric/MLKEM/*.[dp]??": _ENCODING,
    "asymmetric/MLKEM/kat_MLKEM_512.rsp": "ML-KEM-512, which we have no keys of",
    "asymmetric/OpenSSH/*": _ENCODING,
    "asymmetric/PEM_Serialization/*": _ENCODING,
    "asymmetric/PKCS8/*": _ENCODING,
    "asymmetric/RSA/FIPS_186-2/KeyGenRSA.rsp": "key generation in the library; no input of ours",
    "asymmetric/RSA/FIPS_186-2/Readme.txt": "no vectors",
    "asymmetric/RSA/FIPS_186-2/Sig*RSA*": "X9.31 signatures",
    "asymmetric/RSA/pkcs-1v2-1d2-vec/*-int.txt": "intermediate values of the other files",
    "asymmetric/RSA/pkcs-1v2-1d2-vec/readme.txt": "no vectors",
    "asymmetric/Traditional_OpenSSL_Serialization/*": _ENCODING,
    "asymmetric/X25519/*": "no keys on this curve; the hybrid KEM has its own file",
    "asymmetric/X448/*": "no keys on this curve",
    "asymmetric/public/*": _ENCODING,
    "chunked-encryption/*": _NO_SUCH_ALGORITHM,
    "ciphers/3DES/*": _NO_SUCH_ALGORITHM,
    "ciphers/AES/[!G]*": "AES in modes that we do not use",
    "ciphers/AES/GCM-SIV/*": "AES in modes that we do not use",
    "ciphers/[!3A]*": _NO_SUCH_ALGORITHM,
    "ciphers/ARC4/*": _NO_SUCH_ALGORITHM,
    "fernet/*": _NO_SUCH_ALGORITHM,
    "hashes/*": "hashes alone; those that we use are tested by what we use them in",
    "keywrap/kwtestvectors/*_inv.txt": "wraps by the inverse cipher, which RFC 5649 does not use",
    "keywrap/kwtestvectors/KW_AE_???.txt": "RFC 3394 wraps are never made; KW_AD shows them refused",
    "keywrap/kwtestvectors/Readme.txt": "no vectors",
    "keywrap/kwtestvectors/TKW_*": _NO_SUCH_ALGORITHM,
    "poly1305/*": _NO_SUCH_ALGORITHM,
    "twofactor/*": _NO_SUCH_ALGORITHM,
    "x509/*": _ENCODING,
    "pkcs12/*": _ENCODING,
    "pkcs7/*": _ENCODING,
}


def published() -> list[str]:
    """Return every file of the package that is no code of its own."""
    files = (path for path in HOME.rglob("*") if path.is_file())
    names = (path.relative_to(HOME).as_posix() for path in files)
    return sorted(
        name for name in names if "." in name and not name.endswith((".py", ".pyc", "py.typed"))
    )


def reader_of(name: str) -> Reader | None:
    """Return what reads the file, if anything does."""
    for pattern, reader in READERS.items():
        if fnmatchcase(name, pattern):
            return reader
    return None


FILES: Mapping[str, Reader] = {
    name: reader for name in published() if (reader := reader_of(name)) is not None
}
