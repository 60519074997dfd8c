"""A browser wallet (EIP-1193) by eth_account: another implementation of what the page asks to have signed."""

import json
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data


class Wallet:
    """Holds one key; remembers what it signed. ``refuses`` makes it decline, as its owner may."""

    def __init__(self, key: str, chain_id: int) -> None:
        self.account = Account.from_key(key)
        self.chain_id = chain_id
        self.signed: list[dict[str, Any]] = []
        self.refuses = False

    async def request(self, method: str, params: list[Any] | None = None) -> Any:
        match method:
            case "eth_requestAccounts":
                return [self.account.address.lower()]
            case "eth_chainId":
                return hex(self.chain_id)
            case "personal_sign":
                assert params is not None
                return self._sign(encode_defunct(hexstr=params[0]))
            case "eth_signTypedData_v4":
                assert params is not None
                if self.refuses:
                    raise PermissionError("User rejected the request.")
                data = json.loads(params[1])
                self.signed.append(data)
                return self._sign(encode_typed_data(full_message=data))
        raise NotImplementedError(method)

    def _sign(self, message: Any) -> str:
        return "0x" + bytes(self.account.sign_message(message).signature).hex()
