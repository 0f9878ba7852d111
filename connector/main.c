#include "connector/commands/commands.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    /* libmongoc keeps counters in a file of /dev/shm, from when it is loaded; whoever is killed leaves it
     * there, and the next process of that number complains. It has to be told before there are threads. */
    setenv("MONGOC_DISABLE_SHM", "1", 0);
    return commands_main(argc, argv);
}
