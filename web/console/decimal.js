/* Exact decimals. Quantities have up to 30 decimals and are never put through a double, except to draw a chart:
 * they are read as text, added as BigInt in units of 10^-30, and printed by string operations. */

const SCALE = 30;
const PATTERN = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/** Text (exponents too) to units of 10^-30. Throws a RangeError on what is not such a number. */
export function parseDecimal(text) {
  const match = PATTERN.exec(text);
  if (!match) throw new RangeError(`not a decimal: ${text}`);
  const fraction = match[3] ?? "";
  const shift = Number(match[4] ?? 0) - fraction.length + SCALE;
  let digits = match[2] + fraction;
  if (shift >= 0) {
    digits += "0".repeat(shift);
  } else {
    digits = digits.padStart(1 - shift, "0");
    if (/[1-9]/.test(digits.slice(shift))) throw new RangeError(`more than ${SCALE} decimals: ${text}`);
    digits = digits.slice(0, shift);
  }
  return match[1] === "-" ? -BigInt(digits) : BigInt(digits);
}

/** Units of 10^-30 to plain text without needless zeros: "4.25". */
export function printDecimal(units) {
  const digits = (units < 0n ? -units : units).toString().padStart(SCALE + 1, "0");
  const whole = digits.slice(0, -SCALE);
  const fraction = digits.slice(-SCALE).replace(/0+$/, "");
  return (units < 0n ? "-" : "") + whole + (fraction && "." + fraction);
}

/** Adds decimal texts exactly. */
export function addDecimals(texts) {
  let sum = 0n;
  for (const text of texts) sum += parseDecimal(text);
  return printDecimal(sum);
}

/** Orders decimal texts by value. */
export function compareDecimals(a, b) {
  const difference = parseDecimal(a) - parseDecimal(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** "1234567" to "1,234,567". */
export const groupDigits = (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ",");

/** The parts of a number as it is shown: every digit is there, thousands are set apart. */
export function splitDecimal(text) {
  const plain = printDecimal(parseDecimal(text));
  const [whole, fraction = ""] = plain.replace("-", "").split(".");
  return { sign: plain.startsWith("-") ? "\u2212" : "", whole: groupDigits(whole), fraction };
}

/** The same as one text: "1,234.5". */
export function showDecimal(text) {
  const { sign, whole, fraction } = splitDecimal(text);
  return sign + whole + (fraction && "." + fraction);
}

/** part / whole in tenths of a percent, rounded; null when there is no whole. */
export function permille(part, whole) {
  const total = parseDecimal(whole);
  return total <= 0n ? null : Number((parseDecimal(part) * 2000n + total) / (total * 2n));
}
