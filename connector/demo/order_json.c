#include "order_json.h"

static const char *const STATUSES[] = {"CREATED", "PAID",      "PICKED",   "PACKED",
                                       "SHIPPED", "DELIVERED", "RETURNED", "REFUNDED"};
static const char *const FIRST_NAMES[] = {"Ada",   "Björn", "Chloé", "Dmitri", "Elif", "Femi",
                                          "Grace", "Hana",  "Iván",  "Jürgen", "Kaja", "Lena",
                                          "Mei",   "Nadia", "Oskar", "Zoë"};
static const char *const LAST_NAMES[] = {"Lovelace", "Okafor",    "Müller", "Tanaka",   "Novák", "García",
                                         "Öztürk",   "Ivanova",   "Smith",  "Dubois",   "Rossi", "Kowalski",
                                         "Jensen",   "Papadakis", "Silva",  "Lindqvist"};
static const char *const STREETS[] = {"Harbour Street", "Lindenallee", "Rue de la Paix", "Station Road",
                                      "Via Garibaldi",  "Kungsgatan",  "Calle Mayor",    "Mill Lane"};
static const char *const CITIES[] = {"Hamburg", "Lyon",  "Leeds",   "Kraków",
                                     "Turin",   "Malmö", "Sevilla", "Cork"};
static const char *const PRODUCTS[] = {
    "Espresso cup, set of 4", "Notebook A5, dotted", "Desk lamp \"Luna\"", "Wool scarf",
    "Cast-iron pan 28 cm",    "Bicycle bell",        "Rain jacket",        "Board game"};
static const char *const CARRIERS[] = {"DHL", "UPS", "DPD", "GLS"};

uint64_t order_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + (b + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static char *write_hex(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--)
        *at++ = "0123456789abcdef"[(value >> ((i - 1) * 4)) & 15];
    return at;
}

static char *write_decimal(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    return at + digits;
}

void order_format_key(uint32_t order, char key[static 16])
{
    memcpy(key, "ord-", 4);
    /* Times an odd number is one-to-one, and neighbours look nothing alike. */
    *write_hex(key + 4, (uint32_t)(order * 2654435761u), 8) = '\0';
}

void order_format_event_id(uint64_t seed, uint64_t ordinal, char id[static 40])
{
    uint64_t high = order_mix(seed, ordinal), low = order_mix(high, ordinal);
    char *at = write_hex(id, high >> 32, 8);
    *at++ = '-';
    at = write_hex(at, high >> 16, 4);
    *at++ = '-';
    at = write_hex(at, (high & 0xFFF) | 0x4000, 4);
    *at++ = '-';
    at = write_hex(at, (low >> 48 & 0x3FFF) | 0x8000, 4);
    *at++ = '-';
    *write_hex(at, low, 12) = '\0';
}

void order_format_time(int64_t unix_ms, char text[static 32])
{
    uint64_t ms = unix_ms > 0 ? (uint64_t)unix_ms : 0;
    uint64_t days = ms / 86400000, second = ms / 1000 % 86400;
    /* Civil date of a day number, in years that begin in March (proleptic Gregorian calendar). */
    uint64_t shifted = days + 719468, era = shifted / 146097, day_of_era = shifted % 146097;
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t shifted_month = (5 * day_of_year + 2) / 153;
    uint64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    uint64_t year = year_of_era + era * 400 + (month <= 2);
    char *at = write_decimal(text, year, 4);
    *at++ = '-';
    at = write_decimal(at, month, 2);
    *at++ = '-';
    at = write_decimal(at, day, 2);
    *at++ = 'T';
    at = write_decimal(at, second / 3600, 2);
    *at++ = ':';
    at = write_decimal(at, second / 60 % 60, 2);
    *at++ = ':';
    at = write_decimal(at, second % 60, 2);
    *at++ = '.';
    at = write_decimal(at, ms % 1000, 3);
    memcpy(at, "Z", 2);
}

static void append_time(struct buf *out, int64_t unix_ms)
{
    char text[32];
    order_format_time(unix_ms, text);
    buf_append_text(out, text);
}

static void append_number(struct buf *out, uint64_t value, unsigned least_digits)
{
    char text[24];
    unsigned digits = 1;
    for (uint64_t rest = value / 10; rest > 0; rest /= 10)
        digits++;
    if (digits < least_digits)
        digits = least_digits;
    buf_append(out, text, (size_t)(write_decimal(text, value, digits) - text));
}

static void append_cents(struct buf *out, uint64_t cents)
{
    append_number(out, cents / 100, 1);
    buf_append_byte(out, '.');
    append_number(out, cents % 100, 2);
}

/* A constant text of ours; only quotes can need escaping in them. */
static void append_string(struct buf *out, const char *text)
{
    buf_append_byte(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *text);
    }
    buf_append_byte(out, '"');
}

static void append_history(struct buf *out, const struct order_snapshot *snapshot)
{
    char at[32];
    buf_append_text(out, "\"statusHistory\":[");
    for (uint32_t i = 0; i < snapshot->history_len; i++) {
        uint32_t revision = snapshot->revision + 1 + i - snapshot->history_len;
        buf_append_text(out, i > 0 ? ",{\"status\":" : "{\"status\":");
        append_string(out, STATUSES[revision % 8]);
        buf_append_text(out, ",\"at\":\"");
        order_format_time(snapshot->history_ms[i], at);
        buf_append(out, at, 19); /* whole seconds */
        buf_append_text(out, "Z\"}");
    }
    buf_append_text(out, "],");
}

static void append_customer(struct buf *out, uint64_t random)
{
    buf_append_text(out, "\"customer\":{\"customerId\":\"cus-");
    append_number(out, random >> 20 & 0xFFFFF, 7);
    buf_append_text(out, "\",\"name\":\"");
    buf_append_text(out, FIRST_NAMES[random & 15]);
    buf_append_byte(out, ' ');
    buf_append_text(out, LAST_NAMES[random >> 4 & 15]);
    buf_append_text(out, "\",\"email\":\"c");
    append_number(out, random >> 20 & 0xFFFFF, 1);
    buf_append_text(out, "@example.com\",\"address\":{\"street\":\"");
    append_number(out, (random >> 40 & 127) + 1, 1);
    buf_append_byte(out, ' ');
    buf_append_text(out, STREETS[random >> 11 & 7]);
    buf_append_text(out, "\",\"city\":");
    append_string(out, CITIES[random >> 8 & 7]);
    buf_append_text(out, "}},");
}

/* Returns the sum of the items in cents. */
static uint64_t append_items(struct buf *out, uint64_t random)
{
    static const unsigned char counts[16] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4};
    uint64_t count = counts[random & 15], total = 0;
    buf_append_text(out, "\"items\":[");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t item = order_mix(random, i), quantity = 1 + (item >> 8 & 3),
                 cents = 199 + (item >> 10) % 19800;
        buf_append_text(out, i > 0 ? ",{\"productId\":\"sku-" : "{\"productId\":\"sku-");
        append_number(out, item >> 30 & 0xFFFF, 5);
        buf_append_text(out, "\",\"name\":");
        append_string(out, PRODUCTS[item & 7]);
        buf_append_text(out, ",\"quantity\":");
        append_number(out, quantity, 1);
        buf_append_text(out, ",\"unitPrice\":");
        append_cents(out, cents);
        buf_append_byte(out, '}');
        total += quantity * cents;
    }
    buf_append_text(out, "],");
    return total;
}

static uint64_t append_shipping(struct buf *out, uint64_t random)
{
    uint64_t cost = 390 + (random >> 16 & 3) * 100;
    buf_append_text(out, "\"shipping\":{\"carrier\":");
    append_string(out, CARRIERS[random & 3]);
    buf_append_text(out, ",\"trackingNumber\":\"");
    append_number(out, random >> 20 & 0xFFFFFFFF, 10);
    buf_append_text(out, "\",\"cost\":");
    append_cents(out, cost);
    buf_append_text(out, "},");
    return cost;
}

static void append_envelope(struct buf *out, const struct order_snapshot *snapshot, const char *key)
{
    char text[40], trace[60];
    uint64_t random = order_mix(snapshot->seed ^ 0x7ACE, snapshot->ordinal);
    char *at = trace;
    order_format_event_id(snapshot->seed, snapshot->ordinal, text);
    buf_append_text(out, "{\"specversion\":\"1.0\",\"id\":\"");
    buf_append_text(out, text);
    buf_append_text(out, "\",\"source\":\"/shop/orders\",\"type\":\"OrderCreateUpdate\",\"time\":\"");
    append_time(out, snapshot->time_ms);
    buf_append_text(out, "\",\"subject\":\"");
    buf_append_text(out, key);
    buf_append_text(out, "\",\"datacontenttype\":\"application/json\",\"traceparent\":\"");
    memcpy(at, "00-", 3);
    at = write_hex(at + 3, random | 1, 16);
    at = write_hex(at, order_mix(random, 1), 16);
    *at++ = '-';
    at = write_hex(at, order_mix(random, 2) | 1, 16);
    memcpy(at, "-01", 4);
    buf_append_text(out, trace);
}

void order_append_json(struct buf *out, const struct order_snapshot *snapshot)
{
    char key[16];
    uint64_t random = order_mix(snapshot->seed, snapshot->order), total;
    order_format_key(snapshot->order, key);
    append_envelope(out, snapshot, key);
    buf_append_text(out, "\",\"data\":{\"orderId\":\"");
    buf_append_text(out, key);
    buf_append_text(out, "\",\"lastUpdated\":\"");
    append_time(out, snapshot->last_updated_ms);
    buf_append_text(out, "\",\"status\":");
    append_string(out, STATUSES[snapshot->revision % 8]);
    buf_append_byte(out, ',');
    append_history(out, snapshot);
    append_customer(out, random);
    total = append_items(out, order_mix(random, 1));
    total += append_shipping(out, order_mix(random, 2));
    buf_append_text(out, "\"totalAmount\":");
    append_cents(out, total);
    buf_append_text(out, ",\"currency\":\"EUR\"}}");
}
