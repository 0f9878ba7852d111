/* The tests of test_json_grammar.c once more, over the loops for machines without SSE2. */
#define JSON_LEX_PORTABLE 1
#include "schemas/json_scan.c"
#include "schemas/json_text.c"

#include "test_json_grammar.c"
