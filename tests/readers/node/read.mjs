// Reads mails with mailparser or postal-mime: `node read.mjs mailparser|postal-mime`, paths on standard input, one
// JSON line each on standard output (tests/readers/reading.py says what is in it).
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";

const hash = (content) => createHash("sha256").update(Buffer.from(content ?? "")).digest("hex");

const READERS = {
  async mailparser(data) {
    // Only what the mail says: nothing made up from it.
    const options = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };
    const mail = await simpleParser(data, options);
    const files = mail.attachments.map((file) => [file.contentType, hash(file.content)]);
    return { text: mail.text || "", html: mail.html || "", files };
  },
  async "postal-mime"(data) {
    const mail = await new PostalMime({ attachmentEncoding: "arraybuffer" }).parse(data);
    const files = mail.attachments.map((file) => [file.mimeType, hash(file.content)]);
    return { text: mail.text || "", html: mail.html || "", files };
  },
};

const read = READERS[process.argv[2]];
for await (const path of createInterface({ input: process.stdin })) {
  let line;
  try {
    line = await read(await readFile(path));
  } catch (error) {
    line = { error: String(error) };
  }
  console.log(JSON.stringify(line));
}
