#include "kafka_ends.h"

rd_kafka_resp_err_t kafka_end(rd_kafka_t *client, const char *topic, int32_t partition, enum kafka_end which,
                              int64_t *offset, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *item = rd_kafka_topic_partition_list_add(list, topic, partition);
    item->offset = which; /* as a timestamp: -1 the latest, -2 the earliest */
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = item->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        *offset = item->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

rd_kafka_resp_err_t kafka_ends(rd_kafka_t *client, const char *topic, int32_t partition, int64_t *low,
                               int64_t *high, int timeout_ms)
{
    rd_kafka_resp_err_t code = kafka_end(client, topic, partition, KAFKA_LOW, low, timeout_ms);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? kafka_end(client, topic, partition, KAFKA_HIGH, high, timeout_ms)
               : code;
}
