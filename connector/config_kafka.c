/* What librdkafka itself says of the properties: the only place of the configuration that asks it. */
#include "config_read.h"

#include "buf.h"
#include "nearest.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>

/* What the promises rest on; other values would break them. */
static const struct {
    const char *name;
    const char *allowed; /* NULL: none */
    const char *reason;
} ours[] = {
    {"group.id", NULL, "each view is the consumer group upsink-NAME; choose the view's name instead"},
    {"enable.auto.commit", "false", "offsets are committed once their records are applied"},
    {"enable.auto.offset.store", "false", "offsets are committed once their records are applied"},
    {"isolation.level", "read_committed", "only committed records are read"},
    {"enable.partition.eof", "true", "the end of a partition has to be seen"},
};

static bool is_secret(const char *name)
{
    static const char *const parts[] = {"password", "secret",     "token",       "key",
                                        "jaas",     "credential", "oauthbearer", "pem"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(name, parts[i]))
            return true;
    }
    return false;
}

/* Names stand first in the rows of librdkafka's own table of its properties. */
static bool fail_unknown(struct config_loader *loader, const struct config_node *node)
{
    char *table = NULL, shown[CONFIG_SHOWN_SIZE];
    size_t size = 0;
    struct nearest nearest;
    nearest_init(&nearest, node->name);
    FILE *stream = open_memstream(&table, &size);
    if (stream) {
        rd_kafka_conf_properties_show(stream);
        fclose(stream);
        for (char *line = table; line && *line;) {
            size_t len = strcspn(line, "\n"), name = strcspn(line, " |\n");
            nearest_offer_slice(&nearest, (struct upsink_slice){line, name});
            line += len + (line[len] == '\n');
        }
        free(table);
    }
    config_shown_name(node->name, shown);
    const char *hint = nearest_hint(&nearest);
    return config_fail_plain(loader, node, "unknown key \"%s\" in kafka%s", shown,
                             *hint ? hint : ", whose keys are the properties of librdkafka");
}

static bool check_ours(struct config_loader *loader, const struct config_node *node)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(node->name, ours[i].name) != 0 ||
            (ours[i].allowed && strcmp(node->text, ours[i].allowed) == 0))
            continue;
        return config_fail(loader, node, "this can't be %s here: %s", ours[i].allowed ? "changed" : "set",
                           ours[i].reason);
    }
    return true;
}

static bool check_property(struct config_loader *loader, const struct config_node *node,
                           rd_kafka_conf_t *scratch)
{
    char reason[256];
    if (!check_ours(loader, node))
        return false;
    switch (rd_kafka_conf_set(scratch, node->name, node->text, reason, sizeof reason)) {
    case RD_KAFKA_CONF_OK:
        return true;
    case RD_KAFKA_CONF_UNKNOWN:
        return fail_unknown(loader, node);
    default:
        /* Some of librdkafka's sentences quote the value. */
        if (strstr(reason, node->text) && (node->hidden || is_secret(node->name)))
            return config_fail(loader, node, "librdkafka does not take this value");
        return config_fail(loader, node, "librdkafka does not take this value: %s", reason);
    }
}

bool config_check_kafka(struct config_loader *loader, const struct config_node *root)
{
    const struct config_node *kafka = config_node_find(root, "kafka");
    const struct config_node *servers = config_node_find(kafka, "bootstrap.servers");
    if (!servers)
        servers = config_node_find(kafka, "metadata.broker.list");
    if (servers && !*servers->text)
        return config_fail(loader, servers, "there is no value here; write HOST:PORT, several by commas");
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    bool ok = true;
    for (const struct config_node *node = kafka ? kafka->first : NULL; node && ok; node = node->next)
        ok = check_property(loader, node, scratch);
    rd_kafka_conf_destroy(scratch);
    /* Last: where it is missing the key is mostly there, with a letter too few. */
    return ok &&
           (servers ||
            config_fail(
                loader, kafka ? kafka : root,
                "it is not said where Kafka is: set kafka.bootstrap.servers, or give --brokers HOST:PORT"));
}
