"""A mail server that is not ours: tells where it listens, then each mail that it took, as it reads it, one JSON object a line."""

import asyncio
import email
import email.policy
import json

from aiosmtpd.smtp import SMTP


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
            defects=[str(defect) for defect in mail.defects],
        )
        return "250 taken"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Taker(), enable_SMTPUTF8=False), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
