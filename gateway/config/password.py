"""Password hashes for the users of AUTH: scrypt (RFC 7914), written as a PHC string.

Why scrypt and not Argon2: both cost an attacker memory; scrypt is in OpenSSL, and so in every Python, it lets
other threads run meanwhile, and no further library with C code of its own has to be trusted and kept. The
parameters are those that OWASP's list of password storage gives (32 MiB, three passes).
"""

import base64
import hashlib
import hmac
import re

_LOG_N, _R, _P = 15, 8, 3
_LENGTH = 32
#: What a hash in a file may ask for: 128 MiB, and eight passes.
_MAX_LOG_N, _MAX_R, _MAX_P = 17, 8, 8
_FORM = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)

#: A password longer than this is refused before anything is computed.
MAX_PASSWORD = 1_024


def hash_password(password: str, salt: bytes, *, log_n: int = _LOG_N, passes: int = _P) -> str:
    """The string to keep in place of a password. `salt` is 16 random octets."""
    digest = _scrypt(password, salt, (log_n, _R, passes), _LENGTH)
    return f"$scrypt$ln={log_n},r={_R},p={passes}${_encoded(salt)}${_encoded(digest)}"


def is_hash(text: str) -> bool:
    """Whether `text` is a hash that `verify` understands, with a cost that we are ready to pay."""
    found = _FORM.fullmatch(text)
    return found is not None and (
        10 <= int(found[1]) <= _MAX_LOG_N and 1 <= int(found[2]) <= _MAX_R and 1 <= int(found[3]) <= _MAX_P
    )


def verify(password: str, hashed: str) -> bool:
    """Whether this is the password. Takes a quarter of a second and 32 MiB: not for an event loop."""
    found = _FORM.fullmatch(hashed)
    if found is None or len(password) > MAX_PASSWORD:
        return False
    salt, digest = _decoded(found[4]), _decoded(found[5])
    made = _scrypt(password, salt, (int(found[1]), int(found[2]), int(found[3])), len(digest))
    return hmac.compare_digest(made, digest)


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int], length: int) -> bytes:
    log_n, r, p = cost
    octets = password.encode("utf-8", "surrogatepass")
    memory = 128 * r * ((1 << log_n) + p + 2)
    return hashlib.scrypt(octets, salt=salt, n=1 << log_n, r=r, p=p, maxmem=memory + (1 << 20), dklen=length)


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii").rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


#: What is computed for a name that nobody has, so that the time tells nothing about who exists.
NOBODY = "$scrypt$ln=15,r=8,p=3$12gA7irD2bkwRKH15TqeWw$oMZZKETni6/Q36lrDo7MrkXTzce9FrD/xbrKLusf9Sw"
