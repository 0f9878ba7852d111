/* The view that flags alone describe: upsink run --brokers B --topic T --sink URL. */
#include "config_override.h"
#include "config_read.h"

static bool fail_flag(struct config_loader *loader, const char *flag, const char *sentence)
{
    struct config_node at = {.origin = flag};
    return config_fail_plain(loader, &at, "%s", sentence);
}

/* <topic>-<scheme>, so that two sinks of one topic do not share a consumer group. */
static const char *name_view(struct config_loader *loader, const struct config_request *request)
{
    if (request->name)
        return request->name;
    if (request->topic[0] == '^' || strchr(request->topic, ',')) {
        fail_flag(loader, "--topic", "several topics need --name NAME, which names the view");
        return NULL;
    }
    if (!config_is_topic_name(request->topic)) {
        fail_flag(
            loader, "--topic",
            "this is not the name of a topic: 1 to 249 of the characters a-z A-Z 0-9 . _ - (an expression "
            "starts with ^)");
        return NULL;
    }
    size_t scheme = strcspn(request->sink, ":");
    if (!request->sink[scheme] || scheme == 0) {
        fail_flag(loader, "--sink",
                  "this is not a URL, which starts with a scheme and a colon, as in "
                  "postgres://user@host/database or sqlite:FILE; see `upsink sinks`");
        return NULL;
    }
    return config_format(loader, "%s-%.*s", request->topic, (int)scheme, request->sink);
}

bool config_describe_view(struct config_loader *loader, struct config_node *root,
                          const struct config_request *request)
{
    if (!request->topic && !request->sink)
        return fail_flag(loader, "no configuration",
                         "give a file with -c FILE, or describe a view with --brokers, --topic and --sink");
    if (!request->sink)
        return fail_flag(
            loader, "--sink",
            "missing; it says where the view goes, as in --sink postgres://user@host/database or "
            "--sink sqlite:FILE");
    if (!request->topic)
        return fail_flag(loader, "--topic", "missing; it says what the view is made from");
    const char *name = name_view(loader, request);
    struct config_node *views = name ? config_node_create(loader, CONFIG_MAP, "--topic", 0) : NULL;
    struct config_node *view =
        views ? config_node_create(loader, CONFIG_MAP, request->name ? "--name" : "--topic", 0) : NULL;
    if (!view)
        return false;
    views->name = "views";
    view->name = name;
    config_node_append(root, views);
    config_node_append(views, view);
    return true;
}

/* A comma stands in no topic's name, but may stand in an expression. */
static const char *topic_value(struct config_loader *loader, const char *topic)
{
    return topic[0] != '^' && strchr(topic, ',') ? config_format(loader, "[%s]", topic) : topic;
}

bool config_apply_flags(struct config_loader *loader, struct config_node *root,
                        const struct config_request *request)
{
    static const char sentence[] =
        "this describes a view without a file; with -c choose one by --view NAME and change it by "
        "--set views.NAME.KEY=VALUE";
    if (request->brokers) {
        struct config_steps steps = {{UPSINK_SLICE_LIT("kafka"), UPSINK_SLICE_LIT("bootstrap.servers")}, 2};
        if (!config_set(loader, root, &steps, request->brokers, "--brokers", false))
            return false;
    }
    if (request->file && (request->topic || request->sink || request->name))
        return fail_flag(loader, request->topic ? "--topic" : request->sink ? "--sink" : "--name", sentence);
    if (request->file)
        return true;
    const struct config_node *view = config_node_find(root, "views")->first;
    struct config_steps steps = {{UPSINK_SLICE_LIT("views"), upsink_slice_of(view->name)}, 3};
    const char *topic = topic_value(loader, request->topic);
    steps.name[2] = UPSINK_SLICE_LIT("topic");
    if (!topic || !config_set(loader, root, &steps, topic, "--topic", false))
        return false;
    steps.name[2] = UPSINK_SLICE_LIT("sink");
    return config_set(loader, root, &steps, request->sink, "--sink", false);
}
