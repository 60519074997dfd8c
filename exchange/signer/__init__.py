"""``verbatim signer``: a gateway that a trader runs, so that clients which do not sign can trade here.

It speaks the plain dialect with a client id and a secret on the trader's own machine, holds the session keys, and signs
what goes to the venue. The venue sees signatures only; the secret never leaves the machine. Imports shell, session.
"""
