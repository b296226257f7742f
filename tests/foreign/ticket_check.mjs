// A scanner without a network: it has the public keys and knows nothing else of Marquee. A token a line comes in, a verdict a line goes out.

import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [jwks, clock] = process.argv.slice(2);
const keys = new Map();
for (const jwk of JSON.parse(readFileSync(jwks, "utf8")).keys) {
  if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519") continue;
  keys.set(jwk.kid, createPublicKey({ key: jwk, format: "jwk" }));
}

const bytes = (part) => {
  const decoded = Buffer.from(part, "base64url");
  // Node skips what is not base64url: a token has one spelling.
  if (decoded.toString("base64url") !== part) throw new Error("not base64url");
  return decoded;
};

const judge = (token) => {
  const parts = token.split(".");
  if (parts.length !== 3) return "invalid: not a token";
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(bytes(part)));
  if (header.alg !== "EdDSA" || header.typ !== "marquee-ticket+jwt") return "invalid: not a ticket";
  const key = keys.get(header.kid);
  if (!key) return "invalid: unknown key";
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  if (!verify(null, signed, key, bytes(parts[2]))) return "invalid: signature";
  if (!(claims.exp > Number(clock))) return "invalid: expired";
  return `valid: ${claims.ticketId} of ${claims.showId} for ${claims.seatIds.join(" ")}`;
};

for await (const token of createInterface({ input: process.stdin })) {
  let verdict;
  try {
    verdict = judge(token);
  } catch (error) {
    verdict = `invalid: ${error.message.replaceAll("\n", " ")}`;
  }
  console.log(verdict);
}
