#include "config_read.h"

#include "config_values.h"

#include <arpa/inet.h>

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* HOST:PORT, [ADDRESS]:PORT or :PORT (every address); the host without its brackets. */
static bool split_address(const char *listen, char host[256])
{
    const char *colon = strrchr(listen, ':');
    int64_t port;
    if (!colon || !config_parse_integer(colon + 1, &port) || port < 0 || port > 65535)
        return false;
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && colon[-1] == ']') {
        listen++;
        len -= 2;
    } else if (memchr(listen, ':', len)) {
        return false;
    }
    if (len >= 256 || strcspn(listen, " /[]@") < len)
        return false;
    memcpy(host, listen, len);
    host[len] = '\0';
    return true;
}

bool config_check_http(struct config_loader *loader, const struct config_node *root, struct config *config)
{
    const struct config_node *listen = config_node_find(config_node_find(root, "http"), "listen");
    char host[256], shown[CONFIG_SHOWN_SIZE];
    config->http_listen_given = listen != NULL;
    if (config->http_token && !*config->http_token)
        config->http_token = NULL;
    if (strcmp(config->http_listen, "off") == 0)
        config->http_listen = "";
    if (!listen || !*config->http_listen)
        return true;
    if (!split_address(config->http_listen, host))
        return config_fail(loader, listen,
                           "%s is not an address to listen on; write HOST:PORT, as in 127.0.0.1:9464 or "
                           "[::1]:9464, or off",
                           config_shown(listen, false, shown));
    if (!config->http_token && !is_loopback(host))
        return config_fail(loader, listen,
                           "%s can be reached from other machines, which needs http.token; set one, or "
                           "listen on 127.0.0.1",
                           config_shown(listen, false, shown));
    return true;
}
