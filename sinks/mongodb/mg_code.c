#include "mg_code.h"

#include <stddef.h>

struct rule {
    int32_t code;
    enum upsink_error_class cls;
    const char *name, *hint;
};

#define RETIRING "the server is stopping, or another one becomes the primary"
#define NETWORK  "the server lost its connection to another member or shard"
#define SLOW     "the server took too long; look for locks and slow members"
#define PLACE    "a geographical index of the collection can't hold the value"
#define DOCUMENT "the server can't store this document"

/* Sorted by what follows; looked through from the beginning, for errors are rare. */
static const struct rule rules[] = {
    /* one document */
    {121, UPSINK_ERR_RECORD, "constraint_violation", "the collection's validator refuses the document"},
    {11000, UPSINK_ERR_RECORD, "constraint_violation",
     "a unique index of the collection has that value already"},
    {11001, UPSINK_ERR_RECORD, "constraint_violation",
     "a unique index of the collection has that value already"},
    {12582, UPSINK_ERR_RECORD, "constraint_violation",
     "a unique index of the collection has that value already"},
    {10334, UPSINK_ERR_RECORD, "value_too_large", "the document is larger than 16 MiB"},
    {17419, UPSINK_ERR_RECORD, "value_too_large", "the document is larger than 16 MiB"},
    {17420, UPSINK_ERR_RECORD, "value_too_large", "the document is larger than 16 MiB"},
    {17280, UPSINK_ERR_RECORD, "value_too_large", "a value is too long for an index of the collection"},
    {22, UPSINK_ERR_RECORD, "invalid_for_sink", DOCUMENT},
    {52, UPSINK_ERR_RECORD, "invalid_for_sink", "this server takes no field names that begin with $"},
    {53, UPSINK_ERR_RECORD, "invalid_for_sink", DOCUMENT},
    {55, UPSINK_ERR_RECORD, "invalid_for_sink", DOCUMENT},
    {56, UPSINK_ERR_RECORD, "invalid_for_sink", DOCUMENT},
    {57, UPSINK_ERR_RECORD, "invalid_for_sink", "this server takes no field names with dots"},
    {15, UPSINK_ERR_RECORD, "invalid_for_sink", DOCUMENT},
    {171, UPSINK_ERR_RECORD, "invalid_for_sink",
     "an index of the collection can't hold two arrays of one document"},
    {13026, UPSINK_ERR_RECORD, "invalid_for_sink", PLACE},
    {13027, UPSINK_ERR_RECORD, "invalid_for_sink", PLACE},
    {13068, UPSINK_ERR_RECORD, "invalid_for_sink", PLACE},
    {16755, UPSINK_ERR_RECORD, "invalid_for_sink", PLACE},
    {16804, UPSINK_ERR_RECORD, "invalid_for_sink", PLACE},
    {17261, UPSINK_ERR_RECORD, "invalid_for_sink", "a text index of the collection can't hold the value"},
    {17262, UPSINK_ERR_RECORD, "invalid_for_sink", "a text index of the collection can't hold the value"},
    {16766, UPSINK_ERR_RECORD, "invalid_for_sink", "a hashed index of the collection can't hold an array"},
    /* who may */
    {13, UPSINK_ERR_REFUSED, "permission_denied",
     "the user lacks a right; grant it the role readWrite on the database"},
    {18, UPSINK_ERR_REFUSED, "credentials_refused", "user or password is wrong; correct the URL"},
    {11, UPSINK_ERR_REFUSED, "credentials_refused", "there is no such user; correct the URL"},
    {31, UPSINK_ERR_REFUSED, "permission_denied", "the user's role does not exist; create it"},
    {33, UPSINK_ERR_REFUSED, "credentials_refused", "the account does not work; look at the user"},
    {8000, UPSINK_ERR_REFUSED, "credentials_refused",
     "the hosting service refuses the credentials; correct the URL"},
    {391, UPSINK_ERR_OUTAGE, "credentials_refused", "the session's credentials have expired"},
    /* a primary that is none (any more) */
    {10107, UPSINK_ERR_OUTAGE, "sink_read_only", RETIRING},
    {10058, UPSINK_ERR_OUTAGE, "sink_read_only", RETIRING},
    {13435, UPSINK_ERR_OUTAGE, "sink_read_only", RETIRING},
    {13436, UPSINK_ERR_OUTAGE, "sink_unavailable", RETIRING},
    {189, UPSINK_ERR_OUTAGE, "sink_unavailable", RETIRING},
    {91, UPSINK_ERR_OUTAGE, "sink_unavailable", RETIRING},
    {11600, UPSINK_ERR_OUTAGE, "sink_unavailable", RETIRING},
    {11602, UPSINK_ERR_OUTAGE, "sink_unavailable", RETIRING},
    {11601, UPSINK_ERR_OUTAGE, "sink_unavailable", "somebody stopped the operation"},
    {24, UPSINK_ERR_OUTAGE, "sink_busy", "a lock was held for too long"},
    {46, UPSINK_ERR_OUTAGE, "sink_busy", "a lock was held for too long"},
    {112, UPSINK_ERR_OUTAGE, "sink_busy", "another writer holds the document"},
    {225, UPSINK_ERR_OUTAGE, "sink_busy", "another transaction holds the document"},
    {251, UPSINK_ERR_OUTAGE, "sink_busy", "another transaction holds the document"},
    {117, UPSINK_ERR_OUTAGE, "sink_busy", "another operation on the collection is under way"},
    {12586, UPSINK_ERR_OUTAGE, "sink_busy", "another operation on the database is under way"},
    {12587, UPSINK_ERR_OUTAGE, "sink_busy", "another operation on the collection is under way"},
    {43, UPSINK_ERR_OUTAGE, "sink_unavailable", "the server forgot a cursor"},
    {175, UPSINK_ERR_OUTAGE, "sink_unavailable", "the collection changed while it was read"},
    /* networks and clusters */
    {6, UPSINK_ERR_OUTAGE, "sink_unreachable", NETWORK},
    {7, UPSINK_ERR_OUTAGE, "sink_unreachable", NETWORK},
    {9001, UPSINK_ERR_OUTAGE, "sink_unreachable", NETWORK},
    {141, UPSINK_ERR_OUTAGE, "sink_unreachable", NETWORK},
    {133, UPSINK_ERR_OUTAGE, "sink_unavailable", "a shard has no primary"},
    {63, UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster's routing changes"},
    {13388, UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster's routing changes"},
    {150, UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster's routing changes"},
    {234, UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster's routing changes"},
    {134, UPSINK_ERR_OUTAGE, "sink_unavailable", "the majority of the replica set does not answer"},
    {94, UPSINK_ERR_OUTAGE, "sink_unavailable", "the replica set is not set up"},
    {76, UPSINK_ERR_OUTAGE, "sink_unavailable", "the replica set is not set up"},
    {211, UPSINK_ERR_OUTAGE, "sink_unavailable", "a member's keys are not there yet"},
    /* time */
    {50, UPSINK_ERR_OUTAGE, "sink_timeout", SLOW},
    {89, UPSINK_ERR_OUTAGE, "sink_timeout", SLOW},
    {202, UPSINK_ERR_OUTAGE, "sink_timeout", SLOW},
    {262, UPSINK_ERR_OUTAGE, "sink_timeout", SLOW},
    {290, UPSINK_ERR_OUTAGE, "sink_timeout", SLOW},
    /* write concern: the write may stand, and is repeated, which changes nothing */
    {64, UPSINK_ERR_OUTAGE, "write_not_replicated",
     "not enough members of the replica set confirmed the write in time; look at the secondaries"},
    {100, UPSINK_ERR_OUTAGE, "write_not_replicated",
     "the replica set has too few members for the write concern"},
    {79, UPSINK_ERR_FATAL, "bad_write_concern",
     "the replica set knows no such write concern; correct mongodb.write_concern or w in the URL"},
    /* resources */
    {14031, UPSINK_ERR_OUTAGE, "sink_full", "the server's disk is full; make room"},
    {39, UPSINK_ERR_OUTAGE, "sink_io_error", "the server can't open a file; look at its disk"},
    {37, UPSINK_ERR_OUTAGE, "sink_io_error", "the server can't read or write a file; look at its disk"},
    {146, UPSINK_ERR_OUTAGE, "sink_out_of_resources", "a limit on memory is reached"},
    {12501, UPSINK_ERR_OUTAGE, "sink_full", "the quota of the hosting service is reached"},
    {8007, UPSINK_ERR_OUTAGE, "sink_full", "the quota of the hosting service is reached"},
    /* the target */
    {MG_WRONG_COLLECTION, UPSINK_ERR_TARGET_LOST, "target_lost",
     "the collection was dropped, renamed or replaced"},
    {MG_NOT_FOUND, UPSINK_ERR_TARGET_LOST, "target_lost", "the collection is not there any more"},
    {166, UPSINK_ERR_FATAL, "target_mismatch",
     "this is a view of MongoDB's, which can't be written; name a collection"},
    {73, UPSINK_ERR_FATAL, "bad_target", "no collection can have that name"},
};

struct mg_meaning mg_code_meaning(int32_t code)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].code == code)
            return (struct mg_meaning){rules[i].cls, rules[i].name, rules[i].hint};
    return (struct mg_meaning){UPSINK_ERR_UNKNOWN, "sink_error", "the server refuses the operation"};
}
