/* Any bytes as a configuration: refused with a message or taken, never a crash, a leak or an endless loop.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -Iconnector/base
 * tests/fuzz/fuzz_config.c \ connector/config*.c connector/base/[a-z]*.c -lyaml -lrdkafka -ljansson -lm -o
 * fuzz_config
 *     ./fuzz_config -max_len=4096 -dict=tests/fuzz/config.dict CORPUS */
#include "connector/config_read.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    /* Not what is under test here: any file of the machine, and the plug-ins that librdkafka would load. */
    if (memmem(bytes, len, "${file:", 7) || memmem(bytes, len, "plugin", 6))
        return 0;
    char *environment[] = {(char[]){"A=${env:B}"}, (char[]){"B=\xff"}, (char[]){"UPSINK_VIEWS__V__TABLE=t"},
                           NULL};
    struct config_override override = {"views.v.topic", "[a, b]", "--set"};
    struct config_request request = {
        .file = "u.yaml", .environment = environment, .overrides = &override, .override_count = len % 2};
    struct upsink_error err = {0};
    struct config *config = config_load_text(&request, (const char *)bytes, len, &err);
    if (!config && (err.cls == UPSINK_ERR_NONE || !err.text[0] || strchr(err.text, '\n')))
        abort();
    config_destroy(config);
    return 0;
}
