/* libFuzzer target for everything under schemas/json_*. From the top of the tree:
 *
 *   clang -D_GNU_SOURCE -I. -Iconnector/base -std=c17 -O1 -g -fsanitize=fuzzer,address,undefined \
 *     -fno-sanitize-recover=all tests/fuzz/fuzz_json_scan.c schemas/json_*.c \
 *     connector/base/{arena,buf,utf8}.c -ljansson -lxxhash -o build/fuzz_json_scan
 *   build/fuzz_json_scan -max_total_time=60 -dict=tests/fuzz/json.dict [CORPUS] */
#include "json_properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_counts counts = {0};
    json_check((struct upsink_slice){(const char *)data, size}, &counts);
    return 0;
}
