#include "record_key.h"

#include "base64.h"
#include "json_lex.h"
#include "json_text.h"
#include "text_check.h"
#include "wire_format.h"

#include <inttypes.h>

static bool refuse(struct upsink_error *err, const char *why)
{
    return upsink_fail(err, UPSINK_ERR_RECORD, "invalid_key",
                       "the key can't be read: %s; check key.format of the view, or what the producer sends",
                       why);
}

static bool out_of_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                       "out of memory for the text of a key; give the process more memory");
}

static bool too_large(struct upsink_error *err, size_t len)
{
    return upsink_fail(err, UPSINK_ERR_RECORD, "key_too_large",
                       "the key is %zu bytes long; at most %zu are supported", len, RECORD_KEY_MAX);
}

static bool missing(struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_RECORD, "missing_key",
        "the record has no key, so it says nothing of which entity it changes; the producer has "
        "to set one, or key.field has to name the field that identifies the entity");
}

static bool read_text(struct upsink_slice bytes, struct upsink_slice *key, struct upsink_error *err)
{
    size_t position;
    switch (text_check(bytes, &position)) {
    case TEXT_IS_FINE:
        *key = bytes;
        return true;
    case TEXT_HAS_NUL:
        refuse(err, "it holds a NUL character, which no SQL database can store");
        break;
    case TEXT_IS_NOT_UTF8:
        refuse(err, "it is not well-formed UTF-8");
        break;
    }
    upsink_error_detail(err, "byte %zu", position);
    return false;
}

bool record_key_of_json(const struct key_reader *reader, const struct json_value *value,
                        struct upsink_slice *key, struct upsink_error *err)
{
    if (value->type == JSON_TYPE_ABSENT || value->type == JSON_TYPE_NULL)
        return missing(err);
    if (value->raw.len > RECORD_KEY_MAX + (value->type == JSON_TYPE_STRING ? 2 : 0))
        return too_large(err, value->raw.len);
    if (value->type == JSON_TYPE_OBJECT || value->type == JSON_TYPE_ARRAY)
        return canonical_pool_text(reader->canonical, value->raw, reader->limits, reader->arena, key, err);
    if (value->type != JSON_TYPE_STRING) {
        *key = value->raw;
        return true;
    }
    if (value->has_nul)
        return refuse(err, "it holds a NUL character, which no SQL database can store");
    return json_text_decode(value->raw, reader->arena, key, err);
}

static bool read_json(const struct key_reader *reader, struct upsink_slice bytes, struct upsink_slice *key,
                      struct upsink_error *err)
{
    struct json_value value;
    struct json_scan_result result;
    const size_t framing = wire_format_size(bytes);
    const char *end = bytes.data + bytes.len;
    bytes = (struct upsink_slice){bytes.data + framing, bytes.len - framing};
    if (!json_scan(NULL, JSON_WHOLE, bytes, reader->limits, NULL, &result, NULL)) {
        refuse(err, json_fault_text(result.fault));
        upsink_error_detail(err, "byte %zu", framing + result.position);
        return false;
    }
    bytes.data = json_lex_space(bytes.data, end);
    while (json_lex_is_space(end[-1]))
        end--;
    bytes.len = (size_t)(end - bytes.data);
    value = (struct json_value){.type = json_type_of(*bytes.data), .has_nul = result.has_nul, .raw = bytes};
    return record_key_of_json(reader, &value, key, err);
}

static bool read_integer(const struct key_reader *reader, struct upsink_slice bytes, size_t size,
                         struct upsink_slice *key, struct upsink_error *err)
{
    uint64_t bits = 0;
    int64_t value;
    char *text;
    int len;
    if (bytes.len != size)
        return refuse(err, size == 4 ? "an int32 key has 4 bytes" : "an int64 key has 8 bytes");
    for (size_t i = 0; i < size; i++)
        bits = bits << 8 | (unsigned char)bytes.data[i];
    value = size == 4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    text = arena_alloc(reader->arena, 24);
    if (!text)
        return out_of_memory(err);
    len = snprintf(text, 24, "%" PRId64, value);
    *key = (struct upsink_slice){text, (size_t)len};
    return true;
}

#define UUID_TEXT_SIZE 36

static bool is_uuid_text(struct upsink_slice text, bool *upper)
{
    *upper = false;
    for (size_t i = 0; i < UUID_TEXT_SIZE; i++) {
        const char c = text.data[i];
        const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? c != '-' : !(json_lex_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')))
            return false;
        *upper |= c >= 'A' && c <= 'F';
    }
    return true;
}

static void write_uuid(const char bytes[16], char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        const unsigned byte = (unsigned char)bytes[i];
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[byte >> 4];
        *text++ = digits[byte & 15];
    }
}

/* RFC 9562 section 4: lower case on output, any on input. */
static bool read_uuid(const struct key_reader *reader, struct upsink_slice bytes, struct upsink_slice *key,
                      struct upsink_error *err)
{
    bool upper = false;
    char *text;
    if (bytes.len != 16 && (bytes.len != UUID_TEXT_SIZE || !is_uuid_text(bytes, &upper)))
        return refuse(err, "a uuid key has 16 bytes, or 36 characters as in "
                           "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    if (bytes.len == UUID_TEXT_SIZE && !upper) {
        *key = bytes;
        return true;
    }
    text = arena_alloc(reader->arena, UUID_TEXT_SIZE);
    if (!text)
        return out_of_memory(err);
    if (bytes.len == 16)
        write_uuid(bytes.data, text);
    else
        for (size_t i = 0; i < UUID_TEXT_SIZE; i++)
            text[i] =
                bytes.data[i] >= 'A' && bytes.data[i] <= 'F' ? (char)(bytes.data[i] | 0x20) : bytes.data[i];
    *key = (struct upsink_slice){text, UUID_TEXT_SIZE};
    return true;
}

static bool read_bytes(const struct key_reader *reader, struct upsink_slice bytes, struct upsink_slice *key,
                       struct upsink_error *err)
{
    const size_t len = BASE64_ENCODED_SIZE(bytes.len);
    char *text;
    if (len > RECORD_KEY_MAX)
        return too_large(err, len);
    text = arena_alloc(reader->arena, len);
    if (!text)
        return out_of_memory(err);
    base64_encode(bytes, text);
    *key = (struct upsink_slice){text, len};
    return true;
}

bool record_key_read(const struct key_reader *reader, enum key_format format, struct upsink_slice bytes,
                     struct upsink_slice *key, struct upsink_error *err)
{
    if (!bytes.data)
        return missing(err);
    if (bytes.len > RECORD_KEY_MAX)
        return too_large(err, bytes.len);
    switch (format) {
    case KEY_JSON:
        return read_json(reader, bytes, key, err);
    case KEY_INT32:
        return read_integer(reader, bytes, 4, key, err);
    case KEY_INT64:
        return read_integer(reader, bytes, 8, key, err);
    case KEY_UUID:
        return read_uuid(reader, bytes, key, err);
    case KEY_BYTES:
        return read_bytes(reader, bytes, key, err);
    case KEY_STRING:
        break;
    }
    return read_text(bytes, key, err);
}
