/* librdkafka's mock cluster as a program, for tests that make a broker answer with errors.
 *
 *     mock_kafka BROKERS
 *
 * Prints the bootstrap addresses, then obeys lines on standard input until it ends, and answers each with
 * "ok", a number, or "error: REASON". Errors and ApiKeys are Kafka's numbers
 * (https://kafka.apache.org/protocol); -195 closes the connection instead of an answer. Brokers are numbered
 * from 1.
 *
 *     topic NAME PARTITIONS           creates it
 *     fail BROKER APIKEY MS ERROR...  the broker's next requests get these answers, one each, after so long;
 *                                     0 is the regular answer
 *     left BROKER APIKEY              how many of them were not given yet
 *     leader NAME PARTITION BROKER    moves it; -1: none
 *     coordinator GROUP BROKER        moves it
 *     rtt BROKER MS                   every answer takes so long
 *     down BROKER, up BROKER          its connections are refused */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 512 };

struct command {
    const char *name;
    int least; /* words behind the name */
    rd_kafka_resp_err_t (*run)(rd_kafka_mock_cluster_t *cluster, char **words, size_t count);
};

static int number(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static rd_kafka_resp_err_t create_topic(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_topic_create(cluster, words[0], number(words[1]), 1);
}

/* It takes the pairs as variable arguments, so one call for each. */
static rd_kafka_resp_err_t fail(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 3; i < count && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        code = rd_kafka_mock_broker_push_request_error_rtts(
            cluster, number(words[0]), (int16_t)number(words[1]), 1, (rd_kafka_resp_err_t)number(words[i]),
            number(words[2]));
    return code;
}

static rd_kafka_resp_err_t count_left(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    size_t left = 0;
    (void)count;
    rd_kafka_resp_err_t code =
        rd_kafka_mock_broker_error_stack_cnt(cluster, number(words[0]), (int16_t)number(words[1]), &left);
    if (!code)
        printf("%zu\n", left);
    return code;
}

static rd_kafka_resp_err_t move_leader(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_partition_set_leader(cluster, words[0], number(words[1]), number(words[2]));
}

static rd_kafka_resp_err_t move_coordinator(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_coordinator_set(cluster, "group", words[0], number(words[1]));
}

static rd_kafka_resp_err_t slow_down(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_broker_set_rtt(cluster, number(words[0]), number(words[1]));
}

static rd_kafka_resp_err_t take_down(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_broker_set_down(cluster, number(words[0]));
}

static rd_kafka_resp_err_t bring_up(rd_kafka_mock_cluster_t *cluster, char **words, size_t count)
{
    (void)count;
    return rd_kafka_mock_broker_set_up(cluster, number(words[0]));
}

static const struct command commands[] = {
    {"topic", 2, create_topic},
    {"fail", 4, fail},
    {"left", 2, count_left},
    {"leader", 3, move_leader},
    {"coordinator", 2, move_coordinator},
    {"rtt", 2, slow_down},
    {"down", 1, take_down},
    {"up", 1, bring_up},
};

static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    char *words[WORDS_MAX], *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    for (size_t i = 0; count && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, words[0]) != 0 || count - 1 < (size_t)commands[i].least)
            continue;
        rd_kafka_resp_err_t code = commands[i].run(cluster, words + 1, count - 1);
        if (code)
            printf("error: %s\n", rd_kafka_err2name(code));
        else if (commands[i].run != count_left)
            puts("ok");
        return;
    }
    printf("error: no such command, or too few words\n");
}

int main(int argc, char **argv)
{
    char reason[256] = "usage: mock_kafka BROKERS", *line = NULL;
    size_t room = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_t *host = argc == 2 ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason) : NULL;
    rd_kafka_mock_cluster_t *cluster = host ? rd_kafka_mock_cluster_new(host, number(argv[1])) : NULL;
    if (!cluster) {
        fprintf(stderr, "mock_kafka: %s\n", reason);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    while (getline(&line, &room, stdin) >= 0)
        obey(cluster, line);
    free(line);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return 0;
}
