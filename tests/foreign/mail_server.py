"""A mail server that is not ours: tells where it listens, then each mail that it took, as it reads it, one JSON object a line.

With a certificate and its key it takes nothing but by STARTTLS, and from nobody without a password."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def tell(**what):
    print(json.dumps(what), flush=True)


class Taker:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            subject=str(mail["Subject"]),
            id=mail["Message-ID"],
            date=mail["Date"].datetime.isoformat(),
            text=mail.get_content(),
            tls=session.ssl is not None,
            authenticated=bool(session.authenticated),
            defects=[str(defect) for defect in mail.defects],
        )
        return "250 taken"


def known(server, session, envelope, mechanism, given):
    return AuthResult(success=(given.login, given.password) == (b"desk", b"hunter2"))


async def main():
    secrecy = {}
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[1:])
        secrecy = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": known}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Taker(), enable_SMTPUTF8=False, **secrecy), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
