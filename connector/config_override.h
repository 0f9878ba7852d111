/* Flags, --set and the environment, written into the tree before anything in it is expanded or read, so that
 * they are checked like the rest. Internal to the configuration. */
#ifndef UPSINK_CONFIG_OVERRIDE_H
#define UPSINK_CONFIG_OVERRIDE_H

#include "config_node.h"
#include "connector/config.h"

/* Sets the value at a dotted path; missing sections are made, missing views refused. Where the option takes a
 * list, [a, b] is one; otherwise the value is taken as it is, without YAML's quotes and comments. */
UPSINK_NODISCARD bool config_override(struct config_loader *loader, struct config_node *root,
                                      const struct config_override *override);

/* The view that --topic, --sink and --name describe, where there is no file. */
UPSINK_NODISCARD bool config_describe_view(struct config_loader *loader, struct config_node *root,
                                           const struct config_request *request);

/* --brokers, --topic, --sink: they win over the environment, so this comes after it. */
UPSINK_NODISCARD bool config_apply_flags(struct config_loader *loader, struct config_node *root,
                                         const struct config_request *request);

/* UPSINK_VIEWS__ORDERS__BATCH__MAX_RECORDS=500 and so on; values are final (no ${...} in them). A variable
 * that looks like a setting and is none is refused, unless the configuration refers to it by ${env:}. */
UPSINK_NODISCARD bool config_apply_environment(struct config_loader *loader, struct config_node *root);

/* --view: drops the other views. */
UPSINK_NODISCARD bool config_select_views(struct config_loader *loader, struct config_node *root,
                                          const struct config_request *request);

#define CONFIG_STEPS_MAX 8

/* A path, step by step: {"views", "shop.orders", "batch", "linger"}. */
struct config_steps {
    struct upsink_slice name[CONFIG_STEPS_MAX];
    size_t count;
};

/* Writes the value there. `final`: ${...} means nothing in it. */
UPSINK_NODISCARD bool config_set(struct config_loader *loader, struct config_node *root,
                                 const struct config_steps *steps, const char *value, const char *origin,
                                 bool final);

#endif
