#include "json_scan.h"

static const struct {
    const char *code;
    const char *text;
} faults[] = {
    [JSON_VALID] = {"", "valid JSON"},
    [JSON_FAULT_EMPTY] = {"invalid_json", "the text is empty"},
    [JSON_FAULT_TRUNCATED] = {"invalid_json", "the text ends in the middle of a value"},
    [JSON_FAULT_BYTE_ORDER_MARK] = {"invalid_json", "a byte order mark stands before the value"},
    [JSON_FAULT_VALUE] = {"invalid_json", "a value must begin here"},
    [JSON_FAULT_NAME] = {"invalid_json", "a member name in double quotes must begin here"},
    [JSON_FAULT_COLON] = {"invalid_json", "a colon must follow the member name"},
    [JSON_FAULT_COMMA] = {"invalid_json", "a comma or the closing bracket must follow"},
    [JSON_FAULT_LITERAL] = {"invalid_json", "only true, false and null may stand without quotes"},
    [JSON_FAULT_NUMBER] = {"invalid_json", "a number is written wrongly"},
    [JSON_FAULT_CONTROL_CHARACTER] = {"invalid_json", "a control character in a string is not escaped"},
    [JSON_FAULT_ESCAPE] = {"invalid_json", "an escape in a string is written wrongly"},
    [JSON_FAULT_TRAILING] = {"invalid_json", "something follows the value"},
    [JSON_FAULT_UTF8] = {"invalid_utf8", "the text is not well-formed UTF-8"},
    [JSON_FAULT_LONE_SURROGATE] = {"lone_surrogate", "half of a surrogate pair stands alone"},
    [JSON_FAULT_TOO_DEEP] = {"too_deep", "values are nested more deeply than the limit allows"},
    [JSON_FAULT_TOO_LARGE] = {"too_large", "the text is longer than the limit allows"},
};

const char *json_fault_code(enum json_fault fault)
{
    return faults[fault].code;
}

const char *json_fault_text(enum json_fault fault)
{
    return faults[fault].text;
}
