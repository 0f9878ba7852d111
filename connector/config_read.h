/* Tree -> struct config, by the option table. Internal to the configuration. */
#ifndef UPSINK_CONFIG_READ_H
#define UPSINK_CONFIG_READ_H

#include "config_node.h"
#include "config_options.h"
#include "connector/config.h"

/* Everything but what concerns several keys at once; scalars are expanded already. */
UPSINK_NODISCARD bool config_read(struct config_loader *loader, const struct config_node *root,
                                  struct config *config);

/* Stores the node's value as the option says at `base` (a struct config or view_config). */
UPSINK_NODISCARD bool config_store(struct config_loader *loader, const struct config_option *option,
                                   const struct config_node *node, void *base);

/* Checks what depends on several keys of a view, and fills in what follows from them: group, topic_text,
 * target, dead-letter topic, settings. The node is the view's. */
UPSINK_NODISCARD bool config_finish_view(struct config_loader *loader, const struct config_node *node,
                                         struct view_config *view);

/* As Kafka allows it. */
bool config_is_topic_name(const char *name);

/* "postgres" for postgresql://…; absent where the view has no sink. */
struct upsink_slice config_sink_kind(const struct config_node *view);

/* Whether the name is that of the view's section of settings for its sink. */
bool config_is_settings(const struct config_node *view, const char *name);

/* Every property must be one that librdkafka knows, with a value that it takes, and leave to us what is ours.
 */
UPSINK_NODISCARD bool config_check_kafka(struct config_loader *loader, const struct config_node *root);

/* http.listen must be HOST:PORT or off, and without a token on loopback. */
UPSINK_NODISCARD bool config_check_http(struct config_loader *loader, const struct config_node *root,
                                        struct config *config);

/* config_load with the file's content at hand; request->file is only its name in messages. */
UPSINK_NODISCARD struct config *config_load_text(const struct config_request *request, const char *bytes,
                                                 size_t len, struct upsink_error *err);

#endif
