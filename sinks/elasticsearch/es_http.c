#include "es_sink.h"

#include "clock.h"

#include <time.h>

enum {
    ANSWER_MAX = 256 << 20, /* bytes */
    LONG_WAIT_US = 1000000  /* so long an answer may take even while the program is stopping */
};

/* --- errors ----------------------------------------------------------------------------------------------
 */

bool es_fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

bool es_fail_shape(const struct upsink_sink *sink, const char *what, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_UNKNOWN, "bad_answer",
        "can't %s %s: what answers is not Elasticsearch or OpenSearch, or something in front of it "
        "changes its answers",
        what, sink->description);
}

bool es_fail_lost(struct upsink_sink *sink, struct upsink_error *err)
{
    sink->ready = false;
    return upsink_fail(err, UPSINK_ERR_TARGET_LOST, "target_lost",
                       "%s was deleted, replaced or emptied while it was written; it is filled again",
                       sink->description);
}

bool es_fail_code(const struct upsink_sink *sink, const char *what, long status, struct upsink_slice error,
                  struct upsink_error *err)
{
    char type[64];
    struct arena arena;
    struct upsink_slice reason;
    arena_init(&arena, 1024);
    es_json_copy(es_json_find(error, "type"), type, sizeof type);
    if (!es_json_text(es_json_find(error, "reason"), &arena, &reason))
        reason = UPSINK_SLICE_ABSENT;
    reason = reason.data ? reason : UPSINK_SLICE_LIT("");
    struct es_meaning meaning = es_code_meaning_of(status, upsink_slice_of(type), reason);
    reason = es_code_reason(reason);
    enum upsink_error_class cls = meaning.cls == UPSINK_ERR_RECORD ? UPSINK_ERR_UNKNOWN : meaning.cls;
    upsink_fail(err, cls, cls == meaning.cls ? meaning.code : "sink_error", "can't %s %s: %s", what,
                sink->description, cls == meaning.cls ? meaning.hint : "it refuses the request");
    upsink_error_detail(err, "HTTP %ld%s%s%s%.*s", status, *type ? " " : "", type, reason.len ? ": " : "",
                        (int)(reason.len < 150 ? reason.len : 150), reason.data);
    arena_destroy(&arena);
    return false;
}

bool es_fail_reply(const struct upsink_sink *sink, const char *what, const struct es_reply *reply,
                   struct upsink_error *err)
{
    return es_fail_code(sink, what, reply->status, es_json_find(reply->body, "error"), err);
}

bool es_check_ready(const struct upsink_sink *sink, struct upsink_error *err)
{
    return sink->ready || upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                                      "%s has to be prepared first", sink->description);
}

bool es_is_stopping(const struct upsink_sink *sink)
{
    return upsink_host_is_stopping(sink->host);
}

void es_sleep(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

void es_log(const struct upsink_sink *sink, enum upsink_log_level level, const char *text)
{
    upsink_host_log(sink->host, level, text);
}

/* --- libcurl ---------------------------------------------------------------------------------------------
 */

static size_t take_bytes(char *data, size_t size, size_t count, void *context)
{
    struct upsink_sink *sink = context;
    size_t len = size * count;
    if (sink->answer.len + len > ANSWER_MAX)
        return 0;
    buf_append(&sink->answer, data, len);
    return sink->answer.failed ? 0 : len;
}

int64_t es_timeout_us(const struct upsink_sink *sink)
{
    return upsink_view_timeout_us(sink->view);
}

/* Called about once a second while nothing moves. Non-zero: give it up. */
static int watch(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct upsink_sink *sink = context;
    int64_t now = clock_monotonic_us();
    bool late = sink->prepare_by_us && now >= sink->prepare_by_us;
    (void)down_total;
    (void)up_total;
    if (down + up != sink->progress.moved) {
        sink->progress.moved = down + up;
        sink->progress.at_us = now;
    }
    int64_t waited = now - sink->progress.at_us;
    sink->progress.stopped = waited >= LONG_WAIT_US && es_is_stopping(sink);
    return sink->progress.stopped || late || waited >= es_timeout_us(sink);
}

static bool add_header(struct upsink_sink *sink, const char *line)
{
    struct curl_slist *longer = curl_slist_append(sink->headers, line);
    if (longer)
        sink->headers = longer;
    return longer != NULL;
}

static bool connect_sink(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->curl)
        return true;
    sink->curl = curl_easy_init();
    if (!sink->curl || !add_header(sink, "Content-Type: application/json") || !add_header(sink, "Expect:") ||
        (sink->authorization && !add_header(sink, sink->authorization))) {
        es_disconnect(sink);
        return es_fail_memory(err);
    }
    CURL *curl = sink->curl;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, sink->curl_error);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, sink->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sink);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(es_timeout_us(sink) / CLOCK_MS));
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (sink->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, sink->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH,
                         NULL); /* these authorities, and not the system's beside them */
    }
    if (sink->url.user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, sink->url.user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, sink->url.password ? sink->url.password : "");
    }
    return true;
}

void es_disconnect(struct upsink_sink *sink)
{
    curl_easy_cleanup(sink->curl);
    curl_slist_free_all(sink->headers);
    sink->curl = NULL;
    sink->headers = NULL;
}

static bool fail_trust(const struct upsink_sink *sink, const char *what, CURLcode code,
                       struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_REFUSED, "tls_failed", "can't %s %s: %s", what, sink->description,
                       code == CURLE_SSL_CACERT_BADFILE
                           ? "elasticsearch.ca_file can't be read, or holds no certificates (PEM)"
                           : "its certificate is not one to trust; give the authority's with "
                             "elasticsearch.ca_file, and the name that stands in it");
}

/* Where one side speaks TLS and the other does not, nobody says so. */
static const char *guess_tls(const struct upsink_sink *sink, CURLcode code)
{
    if (sink->url.tls)
        return code == CURLE_SSL_CONNECT_ERROR ? "; does it speak TLS? If not, leave +https out of the URL"
                                               : "";
    return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_UNSUPPORTED_PROTOCOL
               ? "; does it speak TLS? Then the URL needs +https behind its scheme, as in "
                 "elasticsearch+https://"
               : "";
}

/* libcurl's text names hosts and reasons, never credentials: they are not in the URL. */
static bool fail_transport(struct upsink_sink *sink, const char *what, CURLcode code,
                           struct upsink_error *err)
{
    const char *reason = sink->curl_error[0] ? sink->curl_error : curl_easy_strerror(code);
    sink->host_number = (sink->host_number + 1) % sink->url.host_count;
    es_disconnect(sink);
    if (sink->answer.failed || code == CURLE_OUT_OF_MEMORY)
        return es_fail_memory(err);
    if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_timeout", "can't %s %s: it gave no answer in time%s",
                           what, sink->description,
                           sink->progress.stopped ? ", and the program is stopping" : "");
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_SSL_ISSUER_ERROR)
        fail_trust(sink, what, code, err);
    else
        upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                    "can't %s %s: there is no connection, or it was lost%s", what, sink->description,
                    guess_tls(sink, code));
    upsink_error_detail(err, "%.200s", reason);
    return false;
}

bool es_exchange(struct upsink_sink *sink, const char *what, const char *method, const char *path,
                 struct upsink_slice body, struct es_reply *reply, struct upsink_error *err)
{
    char url[ES_HOST_SIZE + 2048];
    *reply = (struct es_reply){.status = 0};
    if (!connect_sink(sink, err))
        return false;
    snprintf(url, sizeof url, "http%s://%s%s", sink->url.tls ? "s" : "", sink->url.hosts[sink->host_number],
             path);
    buf_clear(&sink->answer);
    sink->curl_error[0] = '\0';
    sink->progress.moved = 0;
    sink->progress.stopped = false;
    sink->progress.at_us = clock_monotonic_us();
    curl_easy_setopt(sink->curl, CURLOPT_URL, url);
    if (body.data) {
        curl_easy_setopt(sink->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(sink->curl, CURLOPT_POSTFIELDS, body.data);
        curl_easy_setopt(sink->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    } else {
        curl_easy_setopt(sink->curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(sink->curl, CURLOPT_CUSTOMREQUEST, method);
    CURLcode code = curl_easy_perform(sink->curl);
    if (code != CURLE_OK)
        return fail_transport(sink, what, code, err);
    curl_easy_getinfo(sink->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    reply->body = buf_view(&sink->answer);
    return true;
}

bool es_ask(struct upsink_sink *sink, const char *what, const char *method, const char *path,
            struct upsink_slice body, struct es_reply *reply, struct upsink_error *err)
{
    if (!es_exchange(sink, what, method, path, body, reply, err))
        return false;
    return (reply->status >= 200 && reply->status < 300) || es_fail_reply(sink, what, reply, err);
}
