#include "tests/contract/suite.h"
const struct group stdout_group = {"stdout", NULL, 0};
