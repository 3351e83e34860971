/* Exact quantities: two's complement integers of 192 (decimal) and 256 (decimal_sum) bits in units of
 * 10^-30. Arithmetic goes word by word over 128-bit intermediates; text is read and printed in groups of
 * digits that fit a word. Nothing allocates; work is bounded by the length of the text. */
#include "base/decimal.h"

#include <string.h>

#include "base/check.h"

__extension__ typedef unsigned __int128 u128;

#define WORDS 3
#define SUM_WORDS 4
#define INTEGER_DIGITS_MAX 27
#define GROUP_DIGITS 19 /* most decimal digits that always fit 64 bits */
#define TEN_TO_19 UINT64_C(10000000000000000000)
/* Exponents are clamped here: beyond any text length, yet sums with one stay in 64 bits. */
#define EXPONENT_MAX (INT64_MAX / 4)

static const uint64_t powers_of_10[GROUP_DIGITS + 1] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    TEN_TO_19,
};

/* 10^0 to 10^30: what an integer of units is worth when its text has 30 to 0 decimals. */
static inline u128 scale_of(unsigned power)
{
    return power <= GROUP_DIGITS ? (u128)powers_of_10[power] : (u128)TEN_TO_19 * powers_of_10[power - GROUP_DIGITS];
}

static void multiply_add(uint64_t *words, size_t count, uint64_t factor, uint64_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < count; i++) {
        u128 product = (u128)words[i] * factor + carry;
        words[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    REQUIRE(carry == 0);
}

static void negate_words(uint64_t *words, size_t count)
{
    unsigned carry = 1;
    for (size_t i = 0; i < count; i++)
        carry = __builtin_add_overflow(~words[i], (uint64_t)carry, &words[i]);
}

static bool top_bit(uint64_t word)
{
    return word >> 63 != 0;
}

/* What the grammar of a JSON number found. */
struct number_text {
    const char *digits; /* integer digits, the point, fraction digits */
    const char *digits_end;
    int64_t integer_count; /* digits before the point */
    int64_t exponent;
    bool negative;
};

static bool is_digit(const char *at, const char *end)
{
    return at < end && (unsigned char)(*at - '0') <= 9;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (is_digit(at, end))
        at++;
    return at;
}

static const char *read_exponent(const char *at, const char *end, int64_t *out)
{
    int64_t value = 0;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    for (; is_digit(at, end); at++) {
        if (value < EXPONENT_MAX / 10)
            value = value * 10 + (*at - '0');
        else
            value = EXPONENT_MAX;
    }
    *out = negative ? -value : value;
    return at;
}

static bool scan(struct text text, struct number_text *out)
{
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    out->negative = at < end && *at == '-';
    at += out->negative;
    out->digits = at;
    if (!is_digit(at, end))
        return false;
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    out->integer_count = at - out->digits;
    if (at < end && *at == '.') {
        at++;
        if (!is_digit(at, end))
            return false;
        at = skip_digits(at, end);
    }
    out->digits_end = at;
    out->exponent = 0;
    if (at < end && (*at == 'e' || *at == 'E'))
        at = read_exponent(at + 1, end, &out->exponent);
    return at == end;
}

/* The general way, for texts of any length and exponent. 'point' is where the decimal point stands
 * relative to the first significant digit: value = 0.d1d2d3... * 10^point. */
static err_t parse_slow(struct text text, struct decimal *out)
{
    struct number_text number;
    if (!scan(text, &number))
        return ERROR_INVALID_PROPERTY;
    const char *first = number.digits;
    const char *last = number.digits_end;
    int64_t point = number.integer_count + number.exponent;
    while (first < last && (*first == '0' || *first == '.')) {
        point -= *first == '0';
        first++;
    }
    while (last > first && (last[-1] == '0' || last[-1] == '.'))
        last--;
    memset(out, 0, sizeof *out);
    if (first == last)
        return ERROR_OK;
    bool has_point = first - number.digits < number.integer_count && last - number.digits > number.integer_count;
    int64_t count = last - first - has_point;
    int64_t spare = point - count + DECIMAL_PLACES; /* zeros between the last digit and the 30th decimal */
    if (point > INTEGER_DIGITS_MAX || spare < 0)
        return ERROR_QUANTITY_OUT_OF_RANGE;
    for (; first < last; first++) {
        if (*first != '.')
            multiply_add(out->words, WORDS, 10, (uint64_t)(*first - '0'));
    }
    for (; spare > GROUP_DIGITS; spare -= GROUP_DIGITS)
        multiply_add(out->words, WORDS, TEN_TO_19, 0);
    multiply_add(out->words, WORDS, powers_of_10[spare], 0);
    if (number.negative)
        negate_words(out->words, WORDS);
    return ERROR_OK;
}

static void set_scaled(uint64_t units, unsigned power, bool negative, struct decimal *out)
{
    u128 scale = scale_of(power);
    u128 low = (u128)units * (uint64_t)scale;
    u128 high = (u128)units * (uint64_t)(scale >> 64) + (uint64_t)(low >> 64);
    out->words[0] = (uint64_t)low;
    out->words[1] = (uint64_t)high;
    out->words[2] = (uint64_t)(high >> 64);
    if (negative)
        negate_words(out->words, WORDS);
}

/* Plain texts of at most 19 digits, which is nearly all there are, are read in one pass into one word.
 * Whatever is longer, has an exponent or breaks the grammar goes the general way. */
err_t decimal_parse(struct text text, struct decimal *out)
{
    struct decimal slow;
    if (text.len == 0)
        return ERROR_INVALID_PROPERTY;
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    if (text.len <= GROUP_DIGITS) {
        bool negative = *at == '-';
        at += negative;
        const char *start = at;
        uint64_t units = 0;
        for (; is_digit(at, end); at++)
            units = units * 10 + (uint64_t)(*at - '0');
        if (at > start && (*start != '0' || at - start == 1)) {
            if (at == end) {
                set_scaled(units, DECIMAL_PLACES, negative, out);
                return ERROR_OK;
            }
            if (*at == '.') {
                const char *decimals = ++at;
                for (; is_digit(at, end); at++)
                    units = units * 10 + (uint64_t)(*at - '0');
                if (at == end && at > decimals) {
                    set_scaled(units, DECIMAL_PLACES - (unsigned)(at - decimals), negative, out);
                    return ERROR_OK;
                }
            }
        }
    }
    err_t error = parse_slow(text, &slow);
    if (error == ERROR_OK)
        *out = slow;
    return error;
}

/* Writes the digits of a magnitude so that they end at 'end', returns where they start (leading zeros
 * included). Nine at a time over 32-bit halves: those divisions are by a constant, hence
 * multiplications. */
static char *put_magnitude(const uint64_t *magnitude, size_t word_count, char *end)
{
    uint32_t halves[2 * SUM_WORDS];
    size_t top = 2 * word_count;
    for (size_t i = 0; i < word_count; i++) {
        halves[2 * i] = (uint32_t)magnitude[i];
        halves[2 * i + 1] = (uint32_t)(magnitude[i] >> 32);
    }
    while (top > 0 && halves[top - 1] == 0)
        top--;
    while (top > 0) {
        uint32_t remainder = 0;
        for (size_t i = top; i-- > 0;) {
            uint64_t part = (uint64_t)remainder << 32 | halves[i];
            halves[i] = (uint32_t)(part / 1000000000);
            remainder = (uint32_t)(part % 1000000000);
        }
        for (int i = 0; i < 9; i++, remainder /= 10)
            *--end = (char)('0' + remainder % 10);
        while (top > 0 && halves[top - 1] == 0)
            top--;
    }
    return end;
}

static size_t print_words(const uint64_t *words, size_t word_count, char out[DECIMAL_TEXT_SIZE])
{
    uint64_t magnitude[SUM_WORDS];
    char digits[DECIMAL_TEXT_SIZE];
    const char *last = digits + sizeof digits;
    bool negative = top_bit(words[word_count - 1]);
    memcpy(magnitude, words, word_count * sizeof words[0]);
    if (negative)
        negate_words(magnitude, word_count);
    const char *first = put_magnitude(magnitude, word_count, digits + sizeof digits);
    while (first < last && *first == '0')
        first++;
    size_t count = (size_t)(last - first);
    size_t integers = count > DECIMAL_PLACES ? count - DECIMAL_PLACES : 0;
    size_t decimals = count - integers;
    const char *fraction = first + integers;
    while (decimals > 0 && fraction[decimals - 1] == '0')
        decimals--;
    char *to = out;
    if (negative)
        *to++ = '-';
    if (integers == 0)
        *to++ = '0';
    memcpy(to, first, integers);
    to += integers;
    if (decimals > 0) {
        size_t zeros = integers == 0 ? DECIMAL_PLACES - count : 0;
        *to++ = '.';
        memset(to, '0', zeros);
        memcpy(to + zeros, fraction, decimals);
        to += zeros + decimals;
    }
    *to = '\0';
    return (size_t)(to - out);
}

size_t decimal_print(const struct decimal *value, char out[DECIMAL_TEXT_SIZE])
{
    return print_words(value->words, WORDS, out);
}

size_t decimal_sum_print(const struct decimal_sum *value, char out[DECIMAL_TEXT_SIZE])
{
    return print_words(value->words, SUM_WORDS, out);
}

struct decimal decimal_from_i64(int64_t value)
{
    struct decimal result;
    set_scaled(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, DECIMAL_PLACES, value < 0, &result);
    return result;
}

bool decimal_is_zero(const struct decimal *value)
{
    return (value->words[0] | value->words[1] | value->words[2]) == 0;
}

bool decimal_is_negative(const struct decimal *value)
{
    return top_bit(value->words[WORDS - 1]);
}

static int compare_words(const uint64_t *a, const uint64_t *b, size_t count)
{
    bool a_negative = top_bit(a[count - 1]);
    bool b_negative = top_bit(b[count - 1]);
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    for (size_t i = count; i-- > 0;) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    return compare_words(a->words, b->words, WORDS);
}

int decimal_sum_compare(const struct decimal_sum *a, const struct decimal_sum *b)
{
    return compare_words(a->words, b->words, SUM_WORDS);
}

struct decimal decimal_negate(const struct decimal *value)
{
    struct decimal result = *value;
    negate_words(result.words, WORDS);
    return result;
}

/* a + b, or a - b as a + ~b + 1, modulo 2^192. */
static struct decimal add_modulo(const struct decimal *a, const struct decimal *b, bool subtract)
{
    uint64_t flip = subtract ? UINT64_MAX : 0;
    uint64_t carry = subtract;
    struct decimal sum;
    for (size_t i = 0; i < WORDS; i++) {
        u128 word = (u128)a->words[i] + (b->words[i] ^ flip) + carry;
        sum.words[i] = (uint64_t)word;
        carry = (uint64_t)(word >> 64);
    }
    return sum;
}

/* It does not fit exactly when both addends have the sign that the result has not. */
static bool add_words(const struct decimal *a, const struct decimal *b, bool subtract, struct decimal *out)
{
    uint64_t flip = subtract ? UINT64_MAX : 0;
    struct decimal sum = add_modulo(a, b, subtract);
    uint64_t a_top = a->words[WORDS - 1];
    uint64_t b_top = b->words[WORDS - 1] ^ flip;
    uint64_t sum_top = sum.words[WORDS - 1];
    if (top_bit((a_top ^ sum_top) & (b_top ^ sum_top)))
        return false;
    *out = sum;
    return true;
}

bool decimal_add(const struct decimal *a, const struct decimal *b, struct decimal *out)
{
    return add_words(a, b, false, out);
}

void decimal_add_part(const struct decimal *a, const struct decimal *b, struct decimal *out)
{
    *out = add_modulo(a, b, false);
}

bool decimal_subtract(const struct decimal *a, const struct decimal *b, struct decimal *out)
{
    return add_words(a, b, true, out);
}

struct decimal decimal_share(const struct decimal *value, uint64_t numerator, uint64_t denominator)
{
    REQUIRE(!decimal_is_negative(value));
    REQUIREF(denominator > 0 && numerator <= denominator, "numerator=%llu denominator=%llu",
             (unsigned long long)numerator, (unsigned long long)denominator);
    uint64_t product[WORDS + 1] = { value->words[0], value->words[1], value->words[2], 0 };
    multiply_add(product, WORDS + 1, numerator, 0);
    uint64_t remainder = 0;
    for (size_t i = WORDS + 1; i-- > 0;) {
        u128 part = (u128)remainder << 64 | product[i];
        product[i] = (uint64_t)(part / denominator);
        remainder = (uint64_t)(part % denominator);
    }
    REQUIRE(product[WORDS] == 0);
    return (struct decimal){ { product[0], product[1], product[2] } };
}

void decimal_sum_add_sum(struct decimal_sum *sum, const struct decimal_sum *value)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < SUM_WORDS; i++) {
        u128 word = (u128)sum->words[i] + value->words[i] + carry;
        sum->words[i] = (uint64_t)word;
        carry = (uint64_t)(word >> 64);
    }
}

void decimal_sum_add(struct decimal_sum *sum, const struct decimal *value)
{
    struct decimal_sum wide = { { value->words[0], value->words[1], value->words[2],
                                  decimal_is_negative(value) ? UINT64_MAX : 0 } };
    decimal_sum_add_sum(sum, &wide);
}

bool decimal_sum_to_decimal(const struct decimal_sum *sum, struct decimal *out)
{
    uint64_t extension = top_bit(sum->words[WORDS - 1]) ? UINT64_MAX : 0;
    if (sum->words[WORDS] != extension)
        return false;
    *out = (struct decimal){ { sum->words[0], sum->words[1], sum->words[2] } };
    return true;
}

static const uint64_t sign_bit = UINT64_C(1) << 63;

void decimal_encode(const struct decimal *value, uint8_t out[DECIMAL_ENCODED_SIZE])
{
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word = value->words[WORDS - 1 - i] ^ (i == 0 ? sign_bit : 0);
        for (unsigned byte = 0; byte < 8; byte++)
            out[i * 8 + byte] = (uint8_t)(word >> (56 - 8 * byte));
    }
}

struct decimal decimal_decode(const uint8_t in[DECIMAL_ENCODED_SIZE])
{
    struct decimal value;
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word = 0;
        for (unsigned byte = 0; byte < 8; byte++)
            word = word << 8 | in[i * 8 + byte];
        value.words[WORDS - 1 - i] = word ^ (i == 0 ? sign_bit : 0);
    }
    return value;
}
