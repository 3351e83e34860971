/* What both clients are asked: {url, token, subscription, start, end, granularity} on standard input. */

export async function readQuestion() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}
