#ifndef LATCHKEY_CCURL_SHIM_H
#define LATCHKEY_CCURL_SHIM_H

#include <curl/curl.h>

// One wrapper per argument shape: Swift cannot call the variadic originals. No logic.

/// Sets an option that takes a `long`.
static inline CURLcode curl_shim_set_long(CURL *easy, CURLoption option, long value) {
  return (curl_easy_setopt)(easy, option, value);
}

/// Sets an option that takes a `curl_off_t`.
static inline CURLcode curl_shim_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
  return (curl_easy_setopt)(easy, option, value);
}

/// Sets an option that takes a string, which libcurl copies; NULL takes the string away.
static inline CURLcode curl_shim_set_text(CURL *easy, CURLoption option, const char *value) {
  return (curl_easy_setopt)(easy, option, value);
}

/// Sets an option that takes a pointer, which libcurl keeps.
static inline CURLcode curl_shim_set_pointer(CURL *easy, CURLoption option, void *value) {
  return (curl_easy_setopt)(easy, option, value);
}

/// Sets the list of header lines, which libcurl does not copy.
static inline CURLcode curl_shim_set_headers(CURL *easy, struct curl_slist *lines) {
  return (curl_easy_setopt)(easy, CURLOPT_HTTPHEADER, lines);
}

/// Sets `CURLOPT_WRITEFUNCTION` or `CURLOPT_HEADERFUNCTION`, which share a type.
static inline CURLcode curl_shim_set_write(
    CURL *easy, CURLoption option, curl_write_callback callback) {
  return (curl_easy_setopt)(easy, option, callback);
}

/// Sets `CURLOPT_READFUNCTION`.
static inline CURLcode curl_shim_set_read(CURL *easy, curl_read_callback callback) {
  return (curl_easy_setopt)(easy, CURLOPT_READFUNCTION, callback);
}

/// Sets `CURLOPT_SEEKFUNCTION`.
static inline CURLcode curl_shim_set_seek(CURL *easy, curl_seek_callback callback) {
  return (curl_easy_setopt)(easy, CURLOPT_SEEKFUNCTION, callback);
}

/// Sets `CURLOPT_PREREQFUNCTION`.
static inline CURLcode curl_shim_set_prereq(CURL *easy, curl_prereq_callback callback) {
  return (curl_easy_setopt)(easy, CURLOPT_PREREQFUNCTION, callback);
}

/// Sets `CURLOPT_OPENSOCKETFUNCTION`.
static inline CURLcode curl_shim_set_open_socket(CURL *easy, curl_opensocket_callback callback) {
  return (curl_easy_setopt)(easy, CURLOPT_OPENSOCKETFUNCTION, callback);
}

/// Sets `CURLOPT_CLOSESOCKETFUNCTION`.
static inline CURLcode curl_shim_set_close_socket(
    CURL *easy, curl_closesocket_callback callback) {
  return (curl_easy_setopt)(easy, CURLOPT_CLOSESOCKETFUNCTION, callback);
}

/// The pointer that `CURLOPT_PRIVATE` set.
static inline void *curl_shim_private(CURL *easy) {
  char *pointer = NULL;
  return (curl_easy_getinfo)(easy, CURLINFO_PRIVATE, &pointer) == CURLE_OK ? pointer : NULL;
}

/// Reads a piece of information that is a `curl_off_t`; -1 when there is none.
static inline curl_off_t curl_shim_offset_info(CURL *easy, CURLINFO info) {
  curl_off_t value = 0;
  return (curl_easy_getinfo)(easy, info, &value) == CURLE_OK ? value : -1;
}

/// Sets a multi option that takes a `long`.
static inline CURLMcode curl_shim_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return (curl_multi_setopt)(multi, option, value);
}

/// Sets `CURLMOPT_SOCKETFUNCTION` and its context.
static inline CURLMcode curl_shim_multi_set_socket(
    CURLM *multi, curl_socket_callback callback, void *context) {
  CURLMcode code = (curl_multi_setopt)(multi, CURLMOPT_SOCKETDATA, context);
  return code != CURLM_OK ? code : (curl_multi_setopt)(multi, CURLMOPT_SOCKETFUNCTION, callback);
}

/// Sets `CURLMOPT_TIMERFUNCTION` and its context.
static inline CURLMcode curl_shim_multi_set_timer(
    CURLM *multi, curl_multi_timer_callback callback, void *context) {
  CURLMcode code = (curl_multi_setopt)(multi, CURLMOPT_TIMERDATA, context);
  return code != CURLM_OK ? code : (curl_multi_setopt)(multi, CURLMOPT_TIMERFUNCTION, callback);
}

/// What the installed library says about itself.
static inline curl_version_info_data *curl_shim_version(void) {
  return curl_version_info(CURLVERSION_NOW);
}

/// Takes the next finished transfer: its handle and result, or NULL when there is none.
static inline CURL *curl_shim_multi_next_done(CURLM *multi, CURLcode *result) {
  int left = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(multi, &left)) != NULL) {
    if (message->msg == CURLMSG_DONE) {
      *result = message->data.result;
      return message->easy_handle;
    }
  }
  return NULL;
}

#endif
