/* The kinds table: which record is of which kind, and where its fields are. The records are invented; their shapes are
 * those of Azure's published schemas. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "parser/kinds.h"
#include "parsed.h"

struct expected_field {
    enum field  field;
    const char *raw;     /* bytes of the value in the text, without quotes */
};

struct sample {
    const char *text;
    enum kind   kind;
    const char *category;                /* NULL: none */
    struct expected_field fields[24];    /* those it has; ended by a NULL */
};

#define UPN "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"

/* --- The activity log --- */

#define ACTIVITY(category, rest) \
    "{\"time\":\"2031-02-03T04:05:06Z\",\"resourceId\":\"/SUBSCRIPTIONS/S1\",\"operationName\":\"X/WRITE\",\"category\":\"" category "\"" rest "}"

static const struct sample activity_samples[] = {
    {"{\"time\":\"2031-02-03T04:05:06.1234567Z\",\"resourceId\":\"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/G\",\"operationName\":"
     "\"MICROSOFT.MACHINELEARNINGSERVICES/WORKSPACES/WRITE\",\"category\":\"Administrative\",\"resultType\":\"Success\","
     "\"resultSignature\":\"Succeeded.Created\",\"durationMs\":\"17\",\"callerIpAddress\":\"192.0.2.9\",\"correlationId\":\"c-1\","
     "\"resultDescription\":\"all well\",\"identity\":{\"authorization\":{\"scope\":\"/s\"},\"claims\":{\"appid\":\"app-1\",\"" UPN
     "\":\"ada@example.org\"}},\"level\":\"Information\",\"location\":\"global\",\"properties\":{\"statusCode\":\"Created\","
     "\"serviceRequestId\":\"sr-1\",\"requestbody\":{\"properties\":{\"environmentVariables\":{\"A\":\"b\"}}},\"httpRequest\":"
     "{\"method\":\"PUT\",\"uri\":\"https://example.org/x\"}}}",
     KIND_ACTIVITY_LOG, "Administrative",
     {{FIELD_TIME, "2031-02-03T04:05:06.1234567Z"}, {FIELD_CATEGORY, "Administrative"},
      {FIELD_OPERATION, "MICROSOFT.MACHINELEARNINGSERVICES/WORKSPACES/WRITE"}, {FIELD_RESULT, "Success"},
      {FIELD_LEVEL, "Information"}, {FIELD_CALLER, "ada@example.org"}, {FIELD_CALLER_IP, "192.0.2.9"},
      {FIELD_RESOURCE, "/SUBSCRIPTIONS/S1/RESOURCEGROUPS/G"}, {FIELD_CORRELATION, "c-1"}, {FIELD_LOCATION, "global"},
      {FIELD_MESSAGE, "all well"}, {FIELD_HTTP_METHOD, "PUT"}, {FIELD_REQUEST_URL, "https://example.org/x"},
      {FIELD_STATUS_CODE, "Created"}, {FIELD_REQUEST_ID, "sr-1"}, {FIELD_DURATION, "17"}, {FIELD_ENVIRONMENT, "{\"A\":\"b\"}"}}},
    {ACTIVITY("security", ""), KIND_ACTIVITY_LOG, "security", {{FIELD_TIME, "2031-02-03T04:05:06Z"}, {FIELD_CATEGORY, "security"},
      {FIELD_OPERATION, "X/WRITE"}, {FIELD_RESOURCE, "/SUBSCRIPTIONS/S1"}}},
    {ACTIVITY("ServiceHealth", ",\"properties\":{\"title\":\"slow\",\"region\":\"Global\"}"), KIND_ACTIVITY_LOG, "ServiceHealth",
     {{FIELD_TIME, "2031-02-03T04:05:06Z"}, {FIELD_CATEGORY, "ServiceHealth"}, {FIELD_OPERATION, "X/WRITE"},
      {FIELD_RESOURCE, "/SUBSCRIPTIONS/S1"}, {FIELD_LOCATION, "Global"}, {FIELD_MESSAGE, "slow"}}},
    {ACTIVITY("Write", ",\"identity\":\"a service\""), KIND_ACTIVITY_LOG, "Write",
     {{FIELD_TIME, "2031-02-03T04:05:06Z"}, {FIELD_CATEGORY, "Write"}, {FIELD_OPERATION, "X/WRITE"},
      {FIELD_RESOURCE, "/SUBSCRIPTIONS/S1"}, {FIELD_CALLER, "a service"}}},
    /* Names in any case, a time under its other name, two spellings of one member */
    {"{\"TIMESTAMP\":\"t\",\"ResourceID\":\"r\",\"OPERATIONNAME\":\"o\",\"Category\":\"Policy\",\"Level\":4,\"level\":\"Warning\"}",
     KIND_ACTIVITY_LOG, "Policy", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "Policy"}, {FIELD_OPERATION, "o"}, {FIELD_RESOURCE, "r"},
      {FIELD_LEVEL, "Warning"}}},
    {"{\"caller\":\"ada@example.org\",\"category\":{\"value\":\"Administrative\",\"localizedValue\":\"Verwaltung\"},\"correlationId\":"
     "\"c-2\",\"description\":\"\",\"eventTimestamp\":\"2031-02-03T04:05:06Z\",\"submissionTimestamp\":\"2031-02-03T04:06:06Z\","
     "\"httpRequest\":{\"clientRequestId\":\"cr\",\"clientIpAddress\":\"192.0.2.9\",\"method\":\"DELETE\",\"uri\":\"https://e/x\"},"
     "\"level\":\"Error\",\"operationName\":{\"value\":\"X/delete\",\"localizedValue\":\"Delete X\"},\"status\":{\"value\":\"Failed\"},"
     "\"properties\":{\"statusCode\":\"Conflict\",\"statusMessage\":\"in use\"},\"resourceUri\":\"/subscriptions/s1\"}",
     KIND_ACTIVITY_LOG_REST, "Administrative",
     {{FIELD_TIME, "2031-02-03T04:05:06Z"}, {FIELD_CATEGORY, "Administrative"}, {FIELD_OPERATION, "X/delete"},
      {FIELD_RESULT, "Failed"}, {FIELD_LEVEL, "Error"}, {FIELD_CALLER, "ada@example.org"}, {FIELD_CALLER_IP, "192.0.2.9"},
      {FIELD_RESOURCE, "/subscriptions/s1"}, {FIELD_CORRELATION, "c-2"}, {FIELD_MESSAGE, "in use"}, {FIELD_HTTP_METHOD, "DELETE"},
      {FIELD_REQUEST_URL, "https://e/x"}, {FIELD_STATUS_CODE, "Conflict"}, {FIELD_REQUEST_ID, "cr"}}},
    {"{\"TenantId\":\"w\",\"CategoryValue\":\"Administrative\",\"CallerIpAddress\":\"192.0.2.9\",\"Level\":\"Informational\","
     "\"OperationNameValue\":\"X/WRITE\",\"Properties_d\":{\"statusCode\":\"OK\",\"serviceRequestId\":\"sr\",\"caller\":\"ada\"},"
     "\"Properties\":\"{}\",\"ActivityStatusValue\":\"Start\",\"ActivityStatus\":\"\",\"OperationName\":\"\",\"Category\":\"\","
     "\"TimeGenerated\":\"t\",\"CorrelationId\":\"c\",\"ResourceId\":\"\",\"_ResourceId\":\"/subscriptions/s1\",\"Type\":\"AzureActivity\"}",
     KIND_ACTIVITY_LOG_ROW, "AzureActivity",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "Administrative"}, {FIELD_OPERATION, "X/WRITE"}, {FIELD_RESULT, "Start"},
      {FIELD_LEVEL, "Informational"}, {FIELD_CALLER, "ada"}, {FIELD_CALLER_IP, "192.0.2.9"}, {FIELD_RESOURCE, "/subscriptions/s1"},
      {FIELD_CORRELATION, "c"}, {FIELD_STATUS_CODE, "OK"}, {FIELD_REQUEST_ID, "sr"}}},
    {"{\"TimeGenerated\":\"t\",\"OperationNameValue\":\"X\"}", KIND_ACTIVITY_LOG_ROW, NULL, {{FIELD_TIME, "t"}, {FIELD_OPERATION, "X"}}},
};

/* --- Resource logs --- */

static const struct sample resource_samples[] = {
    {"{\"time\":\"t\",\"resourceId\":\"/R\",\"category\":\"AmlOnlineEndpointTrafficLog\",\"operationName\":\"score\",\"location\":\"westeurope\","
     "\"properties\":{\"method\":\"POST\",\"path\":\"/score?x=1\",\"responseCode\":200,\"responseCodeReason\":\"success\",\"userAgent\":"
     "\"curl/8\",\"xRequestId\":\"xr\",\"totalDurationMs\":37,\"identityData\":\"oid-1\"}}",
     KIND_SCORING_TRAFFIC, "AmlOnlineEndpointTrafficLog",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlOnlineEndpointTrafficLog"}, {FIELD_OPERATION, "score"}, {FIELD_RESULT, "success"},
      {FIELD_CALLER, "oid-1"}, {FIELD_RESOURCE, "/R"}, {FIELD_LOCATION, "westeurope"}, {FIELD_HTTP_METHOD, "POST"},
      {FIELD_USER_AGENT, "curl/8"}, {FIELD_REQUEST_URL, "/score?x=1"}, {FIELD_STATUS_CODE, "200"}, {FIELD_REQUEST_ID, "xr"},
      {FIELD_DURATION, "37"}}},
    {"{\"TimeGenerated\":\"t\",\"Type\":\"AmlOnlineEndpointTrafficLog\",\"Method\":\"GET\",\"Path\":\"/\",\"ResponseCode\":503,"
     "\"XRequestId\":\"xr\",\"TotalDurationMs\":5,\"_ResourceId\":\"/r\"}",
     KIND_SCORING_TRAFFIC, "AmlOnlineEndpointTrafficLog",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlOnlineEndpointTrafficLog"}, {FIELD_RESOURCE, "/r"}, {FIELD_HTTP_METHOD, "GET"},
      {FIELD_REQUEST_URL, "/"}, {FIELD_STATUS_CODE, "503"}, {FIELD_REQUEST_ID, "xr"}, {FIELD_DURATION, "5"}}},
    {"{\"time\":\"t\",\"resourceId\":\"/R\",\"category\":\"AmlOnlineEndpointConsoleLog\",\"operationName\":\"o\",\"properties\":"
     "{\"instanceId\":\"i\",\"message\":\"loading model\"}}",
     KIND_AML_CONSOLE_LOG, "AmlOnlineEndpointConsoleLog",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlOnlineEndpointConsoleLog"}, {FIELD_OPERATION, "o"}, {FIELD_RESOURCE, "/R"},
      {FIELD_MESSAGE, "loading model"}}},
    {"{\"time\":\"t\",\"resourceId\":\"/R\",\"category\":\"AmlRunStatusChangedEvent\",\"operationName\":\"o\",\"resultType\":\"Success\","
     "\"correlationId\":\"c\",\"level\":\"Informational\",\"durationMs\":\"8\",\"callerIpAddress\":\"192.0.2.9\",\"properties\":{\"runId\":"
     "\"run-a\",\"rootRunId\":\"run-b\",\"experimentName\":\"churn\",\"computeType\":\"AmlCompute\",\"status\":\"Failed\",\"message\":"
     "\"exit 1\",\"triggeringUserName\":\"Ada L\",\"environmentVariables\":[{\"name\":\"A\"}]}}",
     KIND_AML_RESOURCE_LOG, "AmlRunStatusChangedEvent",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlRunStatusChangedEvent"}, {FIELD_OPERATION, "o"}, {FIELD_RESULT, "Success"},
      {FIELD_LEVEL, "Informational"}, {FIELD_CALLER, "Ada L"}, {FIELD_CALLER_IP, "192.0.2.9"}, {FIELD_RESOURCE, "/R"},
      {FIELD_CORRELATION, "c"}, {FIELD_MESSAGE, "exit 1"}, {FIELD_COMPUTE_TYPE, "AmlCompute"}, {FIELD_DURATION, "8"},
      {FIELD_RUN_ID, "run-a"}, {FIELD_EXPERIMENT, "churn"}, {FIELD_ENVIRONMENT, "[{\"name\":\"A\"}]"}}},
    {"{\"TimeGenerated\":\"t\",\"Type\":\"AmlComputeJobEvent\",\"OperationName\":\"o\",\"JobName\":\"job-1\",\"ExperimentName\":\"e\","
     "\"ExecutionState\":\"Failed\",\"JobErrorMessage\":\"no room\",\"ResultSignature\":\"\"}",
     KIND_AML_RESOURCE_LOG, "AmlComputeJobEvent",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlComputeJobEvent"}, {FIELD_OPERATION, "o"}, {FIELD_RESULT, "Failed"},
      {FIELD_MESSAGE, "no room"}, {FIELD_RUN_ID, "job-1"}, {FIELD_EXPERIMENT, "e"}}},
    /* Azure ML's names are looked for in `properties` first */
    {"{\"time\":\"t\",\"category\":\"AmlRunEvent\",\"runId\":\"outer\",\"properties\":{\"RunId\":\"inner\"}}", KIND_AML_RESOURCE_LOG,
     "AmlRunEvent", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlRunEvent"}, {FIELD_RUN_ID, "inner"}}},
    /* `properties` may be JSON text, which is not looked into */
    {"{\"time\":\"t\",\"category\":\"AmlRunEvent\",\"properties\":\"{\\\"runId\\\":\\\"r\\\"}\"}", KIND_AML_RESOURCE_LOG,
     "AmlRunEvent", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AmlRunEvent"}}},
    {"{\"time\":\"t\",\"resourceId\":\"/R\",\"category\":\"AuditEvent\",\"operationName\":\"SecretGet\",\"resultSignature\":\"OK\","
     "\"properties\":{\"httpStatusCode\":200,\"requestUri\":\"https://v/secrets\",\"clientIP\":\"192.0.2.9\"},\"identity\":{\"claim\":{}}}",
     KIND_RESOURCE_LOG, "AuditEvent",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AuditEvent"}, {FIELD_OPERATION, "SecretGet"}, {FIELD_CALLER_IP, "192.0.2.9"},
      {FIELD_RESOURCE, "/R"}, {FIELD_REQUEST_URL, "https://v/secrets"}, {FIELD_STATUS_CODE, "200"}}},
    {"{\"timeStamp\":\"t\",\"resourceId\":\"/R\",\"operationName\":\"o\",\"category\":\"GatewayAccessLog\"}", KIND_RESOURCE_LOG,
     "GatewayAccessLog", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "GatewayAccessLog"}, {FIELD_OPERATION, "o"}, {FIELD_RESOURCE, "/R"}}},
};

/* --- Application Insights --- */

#define ENVELOPE(type, base) \
    "{\"name\":\"n\",\"time\":\"t\",\"iKey\":\"k\",\"data\":{\"baseType\":\"" type "\",\"baseData\":{\"ver\":2" base "}}}"
#define ROW(type, rest) "{\"TimeGenerated\":\"t\"" rest ",\"Type\":\"" type "\"}"
#define EXPORTED(type, item) \
    "{\"" type "\":[" item "],\"internal\":{\"data\":{\"id\":\"i\"}},\"context\":{\"data\":{\"eventTime\":\"t\"},\"operation\":{\"id\":\"op\"}," \
    "\"location\":{\"clientip\":\"192.0.2.0\"},\"user\":{\"anonId\":\"u\"},\"custom\":{\"dimensions\":[{\"a\":\"b\"},{\"Request Id\":\"rq\"}]}}}"
#define EXPORTED_FIELDS {FIELD_TIME, "t"}, {FIELD_CALLER, "u"}, {FIELD_CALLER_IP, "192.0.2.0"}, {FIELD_CORRELATION, "op"}, \
                        {FIELD_REQUEST_ID, "rq"}

static const struct sample app_samples[] = {
    /* The inference server: its own properties go before the members that it cannot fill */
    {"{\"time\":\"t\",\"tags\":{\"ai.operation.id\":\"op\",\"ai.operation.name\":\"/score\",\"ai.location.ip\":\"192.0.2.9\","
     "\"ai.user.authUserId\":\"ada\"},\"data\":{\"baseType\":\"RequestData\",\"baseData\":{\"id\":\"span\",\"duration\":\"0.00:00:00.040\","
     "\"success\":true,\"responseCode\":\"0\",\"properties\":{\"Request Id\":\"rq\",\"url\":\"http://e/score?a=b\",\"duration\":"
     "\"00:00:00.037\",\"resultCode\":\"502\",\"success\":\"False\",\"http_method\":\"POST\"}}}}",
     KIND_SCORING_REQUEST, "RequestData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "RequestData"}, {FIELD_OPERATION, "/score"}, {FIELD_RESULT, "False"}, {FIELD_CALLER, "ada"},
      {FIELD_CALLER_IP, "192.0.2.9"}, {FIELD_CORRELATION, "op"}, {FIELD_HTTP_METHOD, "POST"}, {FIELD_REQUEST_URL, "http://e/score?a=b"},
      {FIELD_STATUS_CODE, "502"}, {FIELD_REQUEST_ID, "rq"}, {FIELD_DURATION, "00:00:00.037"}}},
    {ENVELOPE("RequestData", ",\"properties\":{\"HTTPMethod\":\"POST\",\"userAgent\":\"curl\",\"ComputeType\":\"AKS\",\"RequestUrl\":\"/s\","
              "\"StatusCode\":\"200\",\"RequestId\":\"rq\",\"Duration\":\"3.5\",\"run_id\":\"r\",\"experiment_name\":\"e\","
              "\"environmentVariables\":\"A=b\"}"),
     KIND_SCORING_REQUEST, "RequestData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "RequestData"}, {FIELD_OPERATION, "n"}, {FIELD_HTTP_METHOD, "POST"},
      {FIELD_USER_AGENT, "curl"}, {FIELD_COMPUTE_TYPE, "AKS"}, {FIELD_REQUEST_URL, "/s"}, {FIELD_STATUS_CODE, "200"},
      {FIELD_REQUEST_ID, "rq"}, {FIELD_DURATION, "3.5"}, {FIELD_RUN_ID, "r"}, {FIELD_EXPERIMENT, "e"}, {FIELD_ENVIRONMENT, "A=b"}}},
    {ENVELOPE("RequestData", ",\"name\":\"GET /\",\"id\":\"i\",\"url\":\"/\",\"responseCode\":\"404\",\"success\":false,\"duration\":\"00:00:01\""),
     KIND_APP_REQUEST, "RequestData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "RequestData"}, {FIELD_OPERATION, "GET /"}, {FIELD_RESULT, "false"}, {FIELD_REQUEST_URL, "/"},
      {FIELD_STATUS_CODE, "404"}, {FIELD_REQUEST_ID, "i"}, {FIELD_DURATION, "00:00:01"}}},
    {ROW("AppRequests", ",\"Id\":\"i\",\"Name\":\"/score\",\"Url\":\"http://e\",\"Success\":true,\"ResultCode\":\"200\",\"DurationMs\":1.5,"
         "\"OperationName\":\"POST /score\",\"OperationId\":\"op\",\"ClientIP\":\"0.0.0.0\",\"ClientBrowser\":\"Firefox\",\"UserId\":\"u\","
         "\"_ResourceId\":\"/r\",\"Properties\":\"{}\""),
     KIND_SCORING_REQUEST, "AppRequests",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppRequests"}, {FIELD_OPERATION, "POST /score"}, {FIELD_RESULT, "true"}, {FIELD_CALLER, "u"},
      {FIELD_CALLER_IP, "0.0.0.0"}, {FIELD_RESOURCE, "/r"}, {FIELD_CORRELATION, "op"}, {FIELD_USER_AGENT, "Firefox"},
      {FIELD_REQUEST_URL, "http://e"}, {FIELD_STATUS_CODE, "200"}, {FIELD_REQUEST_ID, "i"}, {FIELD_DURATION, "1.5"}}},
    /* As a diagnostic setting exports it: OperationName is the telemetry's, not the resource provider's */
    {"{\"time\":\"t\",\"resourceId\":\"/R\",\"Type\":\"AppRequests\",\"OperationName\":\"POST /score\",\"Properties\":{\"Request Id\":\"rq\"},"
     "\"Id\":\"i\"}",
     KIND_SCORING_REQUEST, "AppRequests",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppRequests"}, {FIELD_OPERATION, "POST /score"}, {FIELD_RESOURCE, "/R"}, {FIELD_REQUEST_ID, "rq"}}},
    {EXPORTED("request", "{\"id\":\"i\",\"name\":\"POST /s\",\"responseCode\":200,\"success\":true,\"url\":\"http://e\",\"durationMetric\":{\"value\":12.0}}"),
     KIND_SCORING_REQUEST, NULL,
     {EXPORTED_FIELDS, {FIELD_OPERATION, "POST /s"}, {FIELD_RESULT, "true"}, {FIELD_REQUEST_URL, "http://e"}, {FIELD_STATUS_CODE, "200"},
      {FIELD_DURATION, "12.0"}}},
    {ENVELOPE("MessageData", ",\"message\":\"hello\",\"severityLevel\":1"), KIND_APP_TRACE, "MessageData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "MessageData"}, {FIELD_OPERATION, "n"}, {FIELD_LEVEL, "1"}, {FIELD_MESSAGE, "hello"}}},
    {ROW("AppTraces", ",\"Message\":\"hello\",\"SeverityLevel\":2"), KIND_APP_TRACE, "AppTraces",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppTraces"}, {FIELD_LEVEL, "2"}, {FIELD_MESSAGE, "hello"}}},
    {EXPORTED("message", "{\"raw\":\"hello\",\"severityLevel\":\"Warning\"}"), KIND_APP_TRACE, NULL,
     {EXPORTED_FIELDS, {FIELD_LEVEL, "Warning"}, {FIELD_MESSAGE, "hello"}}},
    {ENVELOPE("ExceptionData", ",\"exceptions\":[{\"id\":1,\"message\":\"boom\"},{\"message\":\"later\"}],\"severityLevel\":\"Error\""),
     KIND_APP_EXCEPTION, "ExceptionData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "ExceptionData"}, {FIELD_OPERATION, "n"}, {FIELD_LEVEL, "Error"}, {FIELD_MESSAGE, "boom"}}},
    {ROW("AppExceptions", ",\"OuterMessage\":\"boom\""), KIND_APP_EXCEPTION, "AppExceptions",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppExceptions"}, {FIELD_MESSAGE, "boom"}}},
    {EXPORTED("basicException", "{\"message\":\"boom\"}"), KIND_APP_EXCEPTION, NULL, {EXPORTED_FIELDS, {FIELD_MESSAGE, "boom"}}},
    {ENVELOPE("RemoteDependencyData", ",\"name\":\"GET /x\",\"id\":\"i\",\"resultCode\":\"500\",\"duration\":\"00:00:02\""), KIND_APP_DEPENDENCY,
     "RemoteDependencyData", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "RemoteDependencyData"}, {FIELD_OPERATION, "GET /x"},
      {FIELD_STATUS_CODE, "500"}, {FIELD_REQUEST_ID, "i"}, {FIELD_DURATION, "00:00:02"}}},
    {ROW("AppDependencies", ""), KIND_APP_DEPENDENCY, "AppDependencies", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppDependencies"}}},
    {EXPORTED("remoteDependency", "{\"name\":\"GET /x\",\"resultCode\":500}"), KIND_APP_DEPENDENCY, NULL,
     {EXPORTED_FIELDS, {FIELD_OPERATION, "GET /x"}, {FIELD_STATUS_CODE, "500"}}},
    {ENVELOPE("EventData", ",\"name\":\"clicked\""), KIND_APP_EVENT, "EventData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "EventData"}, {FIELD_OPERATION, "clicked"}}},
    {ROW("AppEvents", ""), KIND_APP_EVENT, "AppEvents", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppEvents"}}},
    {EXPORTED("event", "{\"name\":\"clicked\",\"count\":1}"), KIND_APP_EVENT, NULL, {EXPORTED_FIELDS, {FIELD_OPERATION, "clicked"}}},
    {ENVELOPE("MetricData", ",\"metrics\":[{\"name\":\"m\",\"value\":1}]"), KIND_APP_METRIC, "MetricData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "MetricData"}, {FIELD_OPERATION, "n"}}},
    {ROW("AppMetrics", ""), KIND_APP_METRIC, "AppMetrics", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppMetrics"}}},
    {EXPORTED("metric", ""), KIND_APP_METRIC, NULL, {EXPORTED_FIELDS}},
    {ENVELOPE("AvailabilityData", ",\"runLocation\":\"Sydney\",\"message\":\"ok\""), KIND_APP_AVAILABILITY, "AvailabilityData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AvailabilityData"}, {FIELD_OPERATION, "n"}, {FIELD_LOCATION, "Sydney"}, {FIELD_MESSAGE, "ok"}}},
    {ROW("AppAvailabilityResults", ",\"Location\":\"Sydney\""), KIND_APP_AVAILABILITY, "AppAvailabilityResults",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppAvailabilityResults"}, {FIELD_LOCATION, "Sydney"}}},
    {EXPORTED("availability", "{\"runLocation\":\"Sydney\"}"), KIND_APP_AVAILABILITY, NULL, {EXPORTED_FIELDS, {FIELD_LOCATION, "Sydney"}}},
    {ENVELOPE("PageViewData", ",\"url\":\"http://e\""), KIND_APP_PAGE_VIEW, "PageViewData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "PageViewData"}, {FIELD_OPERATION, "n"}, {FIELD_REQUEST_URL, "http://e"}}},
    {ROW("AppPageViews", ""), KIND_APP_PAGE_VIEW, "AppPageViews", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppPageViews"}}},
    {EXPORTED("view", "{\"url\":\"http://e\"}"), KIND_APP_PAGE_VIEW, NULL, {EXPORTED_FIELDS, {FIELD_REQUEST_URL, "http://e"}}},
    {ENVELOPE("PageViewPerfData", ""), KIND_APP_BROWSER_TIMING, "PageViewPerfData",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "PageViewPerfData"}, {FIELD_OPERATION, "n"}}},
    {ROW("AppBrowserTimings", ""), KIND_APP_BROWSER_TIMING, "AppBrowserTimings", {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppBrowserTimings"}}},
    {ROW("AppPerformanceCounters", ""), KIND_APP_PERFORMANCE_COUNTER, "AppPerformanceCounters",
     {{FIELD_TIME, "t"}, {FIELD_CATEGORY, "AppPerformanceCounters"}}},
    {EXPORTED("performanceCounter", "{\"available_bytes\":{\"value\":1.0}}"), KIND_APP_PERFORMANCE_COUNTER, NULL, {EXPORTED_FIELDS}},
};

static const struct sample unknown_samples[] = {
    {"{}", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"[]", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"\"AzureActivity\"", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"null", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"{\"message\":\"a line of text\"}", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"{\"time\":\"t\",\"category\":\"WorkflowRuntime\"}", KIND_UNKNOWN, "WorkflowRuntime", {{0, NULL}}},
    {"{\"category\":12,\"Type\":null,\"data\":[]}", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"{\"data\":{\"baseType\":\"SomethingElse\",\"baseData\":{}}}", KIND_UNKNOWN, NULL, {{0, NULL}}},
    {"{\"Type\":\"AppRequestsX\",\"TimeGenerated\":\"t\"}", KIND_UNKNOWN, "AppRequestsX", {{0, NULL}}},
    {"{\"inner\":{\"Type\":\"AppRequests\"}}", KIND_UNKNOWN, NULL, {{0, NULL}}},
};

/* --- Running the tables --- */

static struct name_set  *names;
static struct key_cache *cache;

static int set_up(void **state)
{
    (void)state;
    names = name_set_new();
    cache = key_cache_new(names, NULL, NULL);
    return cache == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    key_cache_free(cache);
    name_set_free(names);
    return 0;
}

static void assert_node(const struct tape *tape, uint32_t node, const char *expected, const char *what, const char *text)
{
    if (node == 0 && expected == NULL) return;
    if (node == 0) fail_msg("%s is missing in %s", what, text);
    struct slice value = slice_sub(tape->text, tape->nodes[node].start, tape->nodes[node].end);
    if (expected == NULL) fail_msg("%s is '%.*s' in %s", what, (int)value.len, value.data, text);
    if (!slice_equal(value, slice_from(expected)))
        fail_msg("%s is '%.*s', expected '%s' in %s", what, (int)value.len, value.data, expected, text);
}

static const char *expected_value(const struct sample *s, enum field field)
{
    for (const struct expected_field *f = s->fields; f->raw != NULL; f++)
        if (f->field == field) return f->raw;
    return NULL;
}

static void check_sample(const struct sample *s)
{
    struct parsed p;
    parsed_init(&p, slice_from(s->text));
    assert_true(names_resolve(cache, &p.tape));
    struct kind_facts facts = kind_recognise(&p.tape, 0, cache);
    if (facts.kind != s->kind) fail_msg("kind is %s, expected %s: %s", kind_text(facts.kind), kind_text(s->kind), s->text);
    assert_node(&p.tape, facts.category, s->category, "the label", s->text);
    for (int field = 0; field < FIELD_COUNT; field++)
        assert_node(&p.tape, kind_field(facts.kind, &p.tape, 0, cache, (enum field)field), expected_value(s, (enum field)field),
                    field_text((enum field)field), s->text);
    parsed_release(&p);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    const struct sample *samples;
    size_t               count;
} tables[] = {
    {activity_samples, COUNT(activity_samples)},
    {resource_samples, COUNT(resource_samples)},
    {app_samples, COUNT(app_samples)},
    {unknown_samples, COUNT(unknown_samples)},
};

static void check_table(size_t table)
{
    for (size_t i = 0; i < tables[table].count; i++) check_sample(&tables[table].samples[i]);
}

static void activity_log_records_are_recognised_in_every_shape(void **state) { (void)state; check_table(0); }
static void resource_logs_are_recognised_as_exported_and_as_rows(void **state) { (void)state; check_table(1); }
static void application_insights_is_recognised_in_every_shape(void **state) { (void)state; check_table(2); }
static void anything_else_is_unknown_and_has_no_fields(void **state) { (void)state; check_table(3); }

static void every_kind_and_every_field_has_a_sample(void **state)
{
    bool kinds[KIND_COUNT] = {0}, fields[FIELD_COUNT] = {0};
    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            kinds[tables[t].samples[i].kind] = true;
            for (const struct expected_field *f = tables[t].samples[i].fields; f->raw != NULL; f++) fields[f->field] = true;
        }
    for (int k = 0; k < KIND_COUNT; k++)
        if (!kinds[k]) fail_msg("no sample of %s", kind_text((enum kind)k));
    for (int f = 0; f < FIELD_COUNT; f++)
        if (!fields[f]) fail_msg("no sample with %s", field_text((enum field)f));
}

static void printed_names_are_different_from_one_another(void **state)
{
    (void)state;
    for (int a = 0; a < KIND_COUNT; a++)
        for (int b = 0; b < a; b++) assert_string_not_equal(kind_text((enum kind)a), kind_text((enum kind)b));
    for (int a = 0; a < FIELD_COUNT; a++)
        for (int b = 0; b < a; b++) assert_string_not_equal(field_text((enum field)a), field_text((enum field)b));
}

static void a_record_inside_a_container_is_recognised(void **state)
{
    struct parsed p;
    (void)state;
    parsed_init(&p, SLICE("{\"category\":\"outer\",\"records\":[{\"n\":1},{\"Type\":\"AppTraces\",\"Message\":\"m\"}]}"));
    assert_true(names_resolve(cache, &p.tape));
    uint32_t records = tape_member(&p.tape, 0, cache, name_set_find(names, SLICE("records")));
    assert_int_equal(records, 0);   /* the kinds table does not speak of it, so that it is no known name */
    uint32_t second = 0;
    for (uint32_t i = 1; i < p.tape.count; i++)
        if (p.tape.nodes[i].type == NODE_OBJECT) second = i;
    assert_int_equal(kind_recognise(&p.tape, second, cache).kind, KIND_APP_TRACE);
    assert_node(&p.tape, kind_field(KIND_APP_TRACE, &p.tape, second, cache, FIELD_MESSAGE), "m", "message", "the container");
    assert_int_equal(kind_field(KIND_APP_TRACE, &p.tape, second, cache, FIELD_CATEGORY), second + 2);
    parsed_release(&p);
}

static void the_first_of_duplicate_members_is_found(void **state)
{
    struct parsed p;
    (void)state;
    parsed_init(&p, SLICE("{\"x\":0,\"TIME\":\"first\",\"time\":\"second\"}"));
    assert_true(names_resolve(cache, &p.tape));
    assert_int_equal(tape_member(&p.tape, 0, cache, name_set_find(names, SLICE("time"))), 4);
    assert_int_equal(tape_member(&p.tape, 0, cache, 0), 0);
    assert_int_equal(tape_member(&p.tape, 2, cache, name_set_find(names, SLICE("time"))), 0);
    parsed_release(&p);
}

/* A field of a hostile record is given up after a fixed number of elements. */
static void an_endless_list_of_dimensions_is_not_searched_to_its_end(void **state)
{
    struct parsed p;
    char         *text = malloc(100000), *to = text;
    (void)state;
    to += snprintf(to, 100, "{\"internal\":{},\"request\":[],\"context\":{\"custom\":{\"dimensions\":[");
    for (int i = 0; i < 2000; i++) to += snprintf(to, 10, "{\"a\":1},");
    to += snprintf(to, 100, "{\"Request Id\":\"rq\"}]}}}");
    parsed_init(&p, slice_of(text, (size_t)(to - text)));
    assert_true(names_resolve(cache, &p.tape));
    assert_int_equal(kind_field(KIND_SCORING_REQUEST, &p.tape, 0, cache, FIELD_REQUEST_ID), 0);
    parsed_release(&p);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activity_log_records_are_recognised_in_every_shape),
        cmocka_unit_test(resource_logs_are_recognised_as_exported_and_as_rows),
        cmocka_unit_test(application_insights_is_recognised_in_every_shape),
        cmocka_unit_test(anything_else_is_unknown_and_has_no_fields),
        cmocka_unit_test(every_kind_and_every_field_has_a_sample),
        cmocka_unit_test(printed_names_are_different_from_one_another),
        cmocka_unit_test(a_record_inside_a_container_is_recognised),
        cmocka_unit_test(the_first_of_duplicate_members_is_found),
        cmocka_unit_test(an_endless_list_of_dimensions_is_not_searched_to_its_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
