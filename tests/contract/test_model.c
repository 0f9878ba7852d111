#include "tests/contract/suite.h"
const struct group model_group = {"model", NULL, 0};
