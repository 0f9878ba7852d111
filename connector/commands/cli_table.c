#include "cli.h"

const struct cli_option cli_options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .help = "The configuration, a YAML file; - is standard input"},
    {.name = "view",
     .value = "NAME",
     .repeats = true,
     .help = "Only this view of the configuration; may be repeated"},
    {.name = "brokers", .letter = 'b', .value = "HOST:PORT", .help = "Where Kafka is; several by commas"},
    {.name = "topic",
     .letter = 't',
     .value = "TOPIC",
     .help = "Without a file: the topic; several by commas, or one ^regex, with --name"},
    {.name = "sink",
     .letter = 's',
     .value = "URL",
     .help = "Without a file: the database, and in its URL the table; see upsink sinks"},
    {.name = "name", .value = "NAME", .help = "Without a file: the view's name; default: TOPIC-SCHEME"},
    {.name = "set",
     .value = "KEY=VALUE",
     .repeats = true,
     .help = "Set any key of the configuration, as in views.orders.batch.linger=1s"},
    {.name = "until-end",
     .help = "Stop, with status 0, once everything that is in the topic now has been handled"},
    {.name = "http-listen",
     .value = "HOST:PORT",
     .path = "http.listen",
     .help = "Where health and metrics are served, or off; default: 127.0.0.1:9464"},
    {.name = "log-level",
     .value = "LEVEL",
     .choices = "debug|info|warn|error",
     .path = "log.level",
     .help = "Least level of the log on standard error: debug, info, warn or error"},
    {.name = "log-format",
     .value = "FORMAT",
     .choices = "text|json",
     .path = "log.format",
     .help = "Log lines as key=value text or as json"},
    {.name = "output",
     .letter = 'o',
     .value = "FORMAT",
     .choices = "table|json",
     .help = "A table for people, or json: one object a line"},
    {.name = "code", .value = "CODE", .help = "Only those with this error code"},
    {.name = "key", .value = "KEY", .help = "Only those of the entity with this key"},
    {.name = "since", .value = "TIME", .help = "Only those that failed at or after this time (RFC 3339)"},
    {.name = "until", .value = "TIME", .help = "Only those that failed before this time (RFC 3339)"},
    {.name = "grep", .value = "TEXT", .help = "Only those with this text in key, value or message"},
    {.name = "limit", .value = "N", .help = "At most the newest N"},
    {.name = "all", .help = "Also those that are resolved"},
    {.name = "records", .value = "N", .help = "How many of the first records are mapped; default: 10"},
    {.name = "events", .letter = 'n', .value = "N", .help = "How many events are published; default: 50000"},
    {.name = "help", .letter = 'h', .help = "Show this help"},
    {.name = "version", .letter = 'V', .help = "Show the version"},
    {.name = NULL},
};

#define COMMON  "config|brokers|topic|sink|name|set|log-level|log-format"
#define FILTERS "code|key|since|until|grep|limit|all"

const struct cli_command cli_commands[] = {
    {.name = "run",
     .summary = "start the service: keep views up to date",
     .text =
         "Reads the topic of each view from its beginning, keeps the latest state of every entity in the "
         "view's "
         "table, and goes on with whatever comes, until it is stopped (Ctrl-C or SIGTERM). What it has done "
         "is "
         "remembered: started again, it goes on where it was.\n"
         "One view needs no file: --brokers, --topic and --sink say it all, and the table is made if it is "
         "missing. More, and everything that can be tuned, is said in a configuration file; man upsink lists "
         "its keys.\n"
         "Records that can't be applied go to the topic TOPIC.dlq, with the reason; see upsink dlq.\n",
     .examples =
         "upsink run --brokers localhost:9092 --topic orders --sink 'postgres://app@localhost/reports'\n"
         "upsink run -b localhost:9092 -t orders -s sqlite:orders.db --until-end\n"
         "upsink run -c upsink.yaml --view orders --set views.orders.batch.linger=1s\n",
     .options = "config|view|brokers|topic|sink|name|set|until-end|http-listen|log-level|log-format"},
    {.name = "plan",
     .summary = "show what run would do, and change nothing",
     .text = "Checks the configuration against the real Kafka and the real sinks: which partitions would be "
             "read from where, which statements the sink still needs, and how the first records map to rows, "
             "with those that would be dead-lettered. Nothing is created, joined, committed or written.\n"
             "Exit status: 0 where run could start, 1 where Kafka or the sink can't be reached, refuses, or "
             "lacks the topic, 2 where the configuration is wrong.\n",
     .examples = "upsink plan -c upsink.yaml\n"
                 "upsink plan --brokers localhost:9092 --topic orders --sink sqlite:orders.db\n"
                 "upsink plan -c upsink.yaml --view orders --records 100 -o json\n",
     .options = "config|view|brokers|topic|sink|name|set|records|output|log-level|log-format"},
    {.name = "dlq list",
     .arguments = "[VIEW]",
     .takes_view = true,
     .summary = "list the records that a view could not apply",
     .text = "Shows the dead letters of a view, the newest last: where each came from, its key, why it "
             "failed. VIEW may "
             "be left out where there is only one.\n",
     .examples =
         "upsink dlq list orders -c upsink.yaml --limit 20\n"
         "upsink dlq list -b localhost:9092 -t orders -s sqlite:orders.db --code invalid_json -o json\n",
     .options = COMMON "|" FILTERS "|output"},
    {.name = "dlq show",
     .arguments = "[VIEW] PARTITION:OFFSET",
     .least = 1,
     .most = 1,
     .takes_view = true,
     .summary = "show everything about one of them",
     .text = "PARTITION:OFFSET is the position in the dead-letter topic, as upsink dlq list shows it.\n",
     .examples = "upsink dlq show orders 0:17 -c upsink.yaml\n",
     .options = COMMON "|output"},
    {.name = "dlq stats",
     .arguments = "[VIEW]",
     .takes_view = true,
     .summary = "count them by reason",
     .text =
         "Counts the dead letters of a view by error code and detail, with the first and the last time.\n",
     .examples = "upsink dlq stats orders -c upsink.yaml\n",
     .options = COMMON "|output"},
    {.name = "sinks",
     .arguments = "[NAME]",
     .most = 1,
     .summary = "list the databases that views can be kept in",
     .text = "Lists the sinks that are installed, with the URLs that they serve. With NAME: the parameters "
             "that its URL "
             "takes, and its settings in the configuration.\n"
             "A sink is a plugin, libupsink_NAME.so. Beside those that come with upsink, the directories in "
             "UPSINK_PLUGIN_PATH are searched.\n",
     .examples = "upsink sinks\n"
                 "upsink sinks postgres\n",
     .options = "output"},
    {.name = "demo",
     .summary = "see it all in one process, without any server",
     .text = "Starts a broker inside the process, fills a topic with order events (duplicates, late ones, "
             "deletes and "
             "broken ones among them), keeps a view of it in an SQLite file, and shows what came out: the "
             "table, what "
             "became of every event, the dead letters with their reasons, and whether each row is what it "
             "should be.\n"
             "With --brokers and --sink it does the same against real ones, in a topic and a table with new "
             "names, "
             "which stay for you to look at. What has to be removed afterwards is said at the end.\n"
             "Exit status: 0 where the view equals the topic, 1 otherwise.\n",
     .examples = "upsink demo\n"
                 "upsink demo --brokers localhost:9092 --sink 'postgres://app@localhost/reports'\n",
     .options = "events|brokers|sink|set|log-level|log-format"},
    {.name = "generate",
     .arguments = "man|bash|zsh|schema",
     .least = 1,
     .most = 1,
     .summary = "write the manual page, a completion script or the JSON Schema",
     .text = "Writes what is kept in deploy/ and schemas/definitions/, from the program's own tables.\n",
     .hidden = true},
    {.name = NULL},
};
