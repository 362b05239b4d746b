/* What the generated records say: the grammar as data. See generate_priv.h for how phrases are written.
 *
 * Shapes: resource-log rows of the category AmlOnlineEndpointTrafficLog; activity log records in export schema v1 with
 * the claims of a user's token and JSON text in requestbody and statusMessage; AmlRunStatusChangedEvent rows with the
 * definition of the run. Everything that looks like a secret and is none is meant: digests, etags, trace contexts,
 * claims, GUIDs, instrumentation keys, counters of tokens, versions of secrets. */
#include "bench/generate_priv.h"

#define BLOB "https://st<n1000>.blob.core.windows.net/"
#define SAS(signature) "sv=2023-11-03&st=<date>T00%3A00%3A00Z&se=<date>T23%3A59%3A59Z&sr=b&sp=r&sig=" signature
#define CONNECTION(key) \
    "DefaultEndpointsProtocol=https;AccountName=st<n1000>;AccountKey=" key ";EndpointSuffix=core.windows.net"
#define SQL(password) "Server=tcp:sql-<n1000>.database.windows.net,1433;Database=features;User ID=loader;Password=" password ";Encrypt=True"
#define HEADERS \
    "Host: <endpoint>.<region>.inference.ml.azure.com<nl>Content-Type: application/json<nl>Content-Length: <n10000><nl>" \
    "X-Request-Id: <request><nl>"

const struct phrase phrases[] = {
    {"scoring", 1,
     "{'time':'<time>','resourceId':'<WORKSPACE>','category':'AmlOnlineEndpointTrafficLog',"
     "'operationName':'Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score','location':'<region>',"
     "'level':'Informational','correlationId':'<guid>','IKey':'<ikey>','properties':{'method':'POST','path':'/score<query>',"
     "'azureMLWorkspaceId':'<workspace_id>','azureMLWorkspaceName':'<workspace>','endpointName':'<endpoint>',"
     "'deploymentName':'<deployment>','protocol':'HTTP/1.1',<outcome>,'modelStatusReason':'<reason>',"
     "'requestPayloadSize':<n10000>,'responsePayloadSize':<n1000>,'userAgent':'<agent>','xRequestId':'<request>',"
     "'xMSClientRequestId':'<client_request>','totalDurationMs':<n1000>,'requestDurationMs':<n10>,"
     "'responseDurationMs':<n100>,<auth>,"
     "'traceparent':'00-<hex32>-<hex16>-01','operationId':'<hex32>'<headers><dimensions>}}"},

    {"query", 4, ""},
    {"query", 2, "?api-version=2023-10-01&customer=<n10000>"},
    {"query", 1, "?customer=<n10000>&page=<n100>&if_match=<etag>"},
    {"query", 1, "?trace=<hex32>&max_tokens=256&model=m<n100>"},
    {"deployment", 3, "blue"},
    {"deployment", 2, "green"},
    {"deployment", 1, "canary-<n100>"},
    {"outcome", 12, "'responseCode':200,'responseCodeReason':'success','modelStatusCode':200"},
    {"outcome", 1, "'responseCode':424,'responseCodeReason':'model error','modelStatusCode':500"},
    {"outcome", 1, "'responseCode':429,'responseCodeReason':'too many pending requests','modelStatusCode':null"},
    {"reason", 8, ""},
    {"reason", 1, "worker <n100> answered after <n1000> ms, etag <etag>, digest sha256:<sha256>"},
    {"reason", 1, "ValueError: expected <n100> features, got <n100> (trace <hex32>)"},
    {"agent", 4, "python-requests/2.32.3"},
    {"agent", 1, "azure-ai-ml/1.21.1 azsdk-python-mgmt-machinelearningservices/0.1.0 Python/3.10.14"},
    {"agent", 1, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0"},
    {"agent", 1, "okhttp/4.12.0"},
    {"client_request", 3, "<guid>"},
    {"client_request", 1, "order-<n10000>/<upn>"},
    {"client_request", 1, "batch <n1000> caf<eacute>"},
    {"auth", 2, "'authType':'Key','identityData':''"},
    {"auth", 2, "'authType':'AADToken','identityData':'<oid>'"},
    {"auth", 1, "'authType':'AMLToken','identityData':'<oid>'"},
    {"headers", 9, ""},
    {"headers", 1,
     ",'requestHeaders':'" HEADERS "traceparent: 00-<hex32>-<hex16>-01<nl>If-None-Match: <etag><nl>"
     "azureml-model-deployment: <deployment><nl>Accept: */*'"},
    {"dimensions", 4, ""},
    {"dimensions", 1, ",'containerImage':'acr<n1000>.azurecr.io/<endpoint>@sha256:<sha256>'"},
    {"dimensions", 1,
     ",'customDimensions':{'Container Id':'<hex12>','Workspace Name':'<workspace>','Service Name':'<endpoint>',"
     "'Models':'<models!>','Response Value':'<scores!>','token_count':'<n1000>','secretVersion':'<hex32>'}"},
    {"dimensions", 1, ",'customDimensions':{'Container Id':'<hex12>','Service Name':'<endpoint>','itemCount':1}"},
    {"models", 1, "[{'name':'m<n100>','version':<n10>,'digest':'<sha256>'}]"},
    {"scores", 1, "{'scores':[0.<digits16>,0.<digits16>,0.<digits16>],'label':<n10>}"},
    {"scores", 1, "[0.<digits16>,0.<digits16>]"},

    {"activity", 1,
     "{'RoleLocation':'<region_name>','ReleaseVersion':'6.2026.<n100>.2+<hex8>','time':'<time>','resourceId':'<WORKSPACE>',"
     "'operationName':'<OPERATION>','category':'Administrative',<result>,'durationMs':'0',"
     "'callerIpAddress':'<ip>','correlationId':'<guid>','identity':{'authorization':{'scope':'<scope>','action':'<operation>',"
     "'evidence':{'role':'Contributor','roleAssignmentScope':'/subscriptions/<subscription>','roleAssignmentId':'<hex32>',"
     "'roleDefinitionId':'<hex32>','principalId':'<oid32>','principalType':'User'}},'claims':{<claims>}},"
     "'level':'Information','properties':{<details>,'eventCategory':'Administrative','message':'<operation>',"
     "'hierarchy':'<tenant>/mg-root/mg-ml/<subscription>'}}"},

    {"result", 2, "'resultType':'Start','resultSignature':'Started.'"},
    {"result", 2, "'resultType':'Success','resultSignature':'Succeeded.Created'"},
    {"result", 1, "'resultType':'Failure','resultSignature':'Failed.BadRequest'"},
    {"claims", 1,
     "'aud':'https://management.core.windows.net/','iss':'https://sts.windows.net/<tenant>/','iat':'<epoch>','nbf':'<epoch>',"
     "'exp':'<epoch_end>','http://schemas.microsoft.com/claims/authnclassreference':'1','aio':'<aio>','altsecid':'5::<puid>',"
     "'http://schemas.microsoft.com/claims/authnmethodsreferences':'pwd,mfa','appid':'<guid>','appidacr':'2',"
     "'groups':'<guid>','ipaddr':'<ip>','name':'<given> <surname>',"
     "'http://schemas.microsoft.com/identity/claims/objectidentifier':'<oid>','puid':'<puid>','rh':'0.AXgA<rh>.',"
     "'http://schemas.microsoft.com/identity/claims/scope':'user_impersonation','sid':'<guid>',"
     "'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier':'<nameid>',"
     "'http://schemas.microsoft.com/identity/claims/tenantid':'<tenant>',"
     "'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name':'<upn>',"
     "'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn':'<upn>',"
     "'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname':' <given>',"
     "'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname':'<surname>','uti':'<uti>','ver':'1.0',"
     "'wids':'<guid>'"},
    {"details", 6, "'statusCode':'OK','serviceRequestId':'<guid>'"},
    {"details", 2, "'requestbody':'<body!>','statusCode':'Created','serviceRequestId':null"},
    {"details", 1,
     "'statusCode':'BadRequest','requestbody':'<small_body!>','statusMessage':'<failure!>'"},
    {"small_body", 1, "{'location':'<region>','properties':{'description':'<plain_words>'}}"},
    {"body", 1,
     "{'location':'<region>','kind':'Managed','sku':{'name':'Default','capacity':<n10>},'properties':{"
     "'endpointComputeType':'Managed','model':'<scope>/models/m<n100>/versions/<n10>','appInsightsEnabled':true,"
     "'instanceType':'Standard_DS3_v2','requestSettings':{'requestTimeout':'PT5S'},<member>}}"},
    {"body", 1,
     "{'properties':{'datastoreType':'AzureBlob','accountName':'st<n1000>','containerName':'raw','keyVaultName':'kv-<n1000>',"
     "'isDefault':false,<member>},'etag':'<etag>'}"},
    {"body", 1,
     "{'properties':{'image':'acr<n1000>.azurecr.io/train@sha256:<sha256>','environmentVariables':{'STAGE_LABEL':'s<hex12>',"
     "'FEATURE_STORE_HOST':'fs-<hex8>.internal','OMP_NUM_THREADS':'<n10>'},<member>}}"},
    {"member", 2, "'tags':{'owner':'<upn>','ticket':'OPS-<n10000>'}"},
    {"member", 1, "'description':'<plain_words>'"},
    {"member", 1, "'retries':<n10>,'threshold':0.<digits16>,'commit':'<sha1>'"},
    {"failure", 1, "{'error':{'code':'UserError','message':'<failure_text>','details':[]}}"},
    {"failure_text", 1, "The deployment <deployment> is being updated by operation <guid>, try again later"},
    {"failure_text", 1, "Quota exceeded in <region>: <n100> of <n100> cores of family standardDSv3Family are in use"},
    {"failure_text", 1, "Could not reach " BLOB "azureml/model.pkl?restype=container&comp=list: connection timed out"},
    {"plain_words", 1, "Scores <n1000> customers an hour, see runbook <n100> for the escalation path"},
    {"plain_words", 1, "Model card: trained on <n10000> rows, snapshot <sha1>, approved by the review board"},

    {"run", 1,
     "{'time':'<time>','resourceId':'<WORKSPACE>','category':'AmlRunStatusChangedEvent','operationName':'RunStatusChanged',"
     "'resultType':'Success','correlationId':'<guid>','level':'Informational','location':'<region>','properties':{"
     "'WorkspaceName':'<workspace>','WorkspaceId':'<workspace_id>','RunId':'<run>','RootRunId':'<root>'<parent>,"
     "'ExperimentId':'<experiment_id>','ExperimentName':'<experiment>','Status':'<status>',"
     "'TriggeringUserName':'<given> <surname>','Message':'<run_message>','Portal':"
     "'https://ml.azure.com/runs/<run>?tid=<tenant>','Outputs':'azureml://artifacts/ExperimentRun/dcid.<run>/outputs/model.pkl',"
     "'Target':'cpu-cluster-<n10>','SnapshotId':'<guid>','RunDefinition':{'Script':'train.py','Arguments':["
     "'--epochs','<n100>','--data',<argument>],'Framework':'Python','Data':{'train':{'Uri':'<data_uri>','Digest':'sha256:<sha256>'}},"
     "'EnvironmentVariables':{<environment><planted_variable>},'Image':'acr<n1000>.azurecr.io/train@sha256:<sha256>',"
     "'MaxRunDurationSeconds':<n10000>}},'durationMs':'<n1000>'}"},

    {"status", 3, "Completed"},
    {"status", 2, "Running"},
    {"status", 2, "Failed"},
    {"status", 1, "Canceled"},
    {"run_message", 2, "Run <run> changed its status after <n1000> seconds on node <n10> of cpu-cluster"},
    {"run_message", 1, "Run <run> failed: ValueError at train.py line <n100>, log azureml/<run>/user_logs/std_log.txt"},
    {"run_message", 1, "Child <run> of <root> was scheduled by the service, queue time <n1000> ms"},
    {"argument", 1, "'/mnt/azureml/cr/j/<hex32>/cap/data-capability/wd/train'"},
    {"argument", 1, "'--tokens=<n1000>','--seed=<n100>'"},
    {"data_uri", 2, BLOB "features/part-<n1000>.parquet"},
    {"data_uri", 1, "azureml://datastores/d<n100>/paths/features/part-<n1000>.parquet"},
    /* Five variables always and ten at times. */
    {"environment", 1,
     "'AZUREML_RUN_ID':'<run>','AZUREML_RUN_TOKEN_EXPIRY':'<epoch_end>','PATH':'/azureml-envs/p<n100>/bin:/usr/local/bin:/usr/bin',"
     "'LOG_LEVEL':'<log_level>','HOSTNAME':'<hex12>'<var0><var1><var2><var3><var4><var5><var6><var7><var8><var9>"},
    {"log_level", 2, "info"},
    {"log_level", 1, "debug"},
    {"var0", 3, ""},
    {"var0", 1, ",'LD_LIBRARY_PATH':'/usr/local/cuda/lib64'"},
    {"var0", 1, ",'PYTHONPATH':'/mnt/code/src'"},
    {"var0", 1, ",'HF_HOME':'/mnt/cache/hf'"},
    {"var1", 2, ""},
    {"var1", 1, ",'HOME':'/home/azureuser'"},
    {"var1", 1, ",'PWD':'/mnt/code'"},
    {"var2", 2, ""},
    {"var2", 1, ",'OMP_NUM_THREADS':'<n10>'"},
    {"var2", 1, ",'CUDA_VISIBLE_DEVICES':'0,1'"},
    {"var3", 2, ""},
    {"var3", 1, ",'TZ':'Europe/Stockholm'"},
    {"var3", 1, ",'LANG':'C.UTF-8'"},
    {"var3", 1, ",'NCCL_DEBUG':'WARN'"},
    {"var4", 3, ""},
    {"var4", 1, ",'BATCH_SIZE':'<n1000>'"},
    {"var4", 1, ",'LEARNING_RATE':'0.000<n1000>'"},
    {"var4", 1, ",'SEED':'<n10000>'"},
    {"var5", 2, ""},
    {"var5", 1, ",'DB_HOST':'pg-<hex8>.internal'"},
    {"var5", 1, ",'REDIS_URL':'redis://cache-<hex8>.internal:6380/0'"},
    {"var6", 2, ""},
    {"var6", 1, ",'MLFLOW_TRACKING_URI':'azureml://<region>.api.azureml.ms/mlflow/v1.0/subscriptions/<subscription>'"},
    {"var6", 1, ",'WANDB_PROJECT':'p-<hex8>'"},
    {"var7", 2, ""},
    {"var7", 1, ",'AZUREML_ROOT_RUN_ID':'<root>'"},
    {"var7", 1, ",'DATASET_MOUNT':'/mnt/d-<hex12>'"},
    {"var8", 2, ""},
    {"var8", 1, ",'WANDB_API_KEY':'<sha1>'"},
    {"var8", 1, ",'SESSION_LABEL':'<guid>'"},
    {"var9", 2, ""},
    {"var9", 1, ",'FEATURE_FLAGS':'<flags!>'"},
    {"var9", 1, ",'NOTIFY_LIST':'oncall-<hex8>@contoso.example'"},
    {"flags", 1, "{'cache':true,'shard':<n100>}"},
    {"planted_variable", 1, ""},
    {NULL, 0, NULL},
};

#define SCORING  RECORD_SCORING
#define ACTIVITY RECORD_ACTIVITY
#define RUN      RECORD_RUN

const struct plant plants[] = {
    {SECRET_ACCOUNT_KEY, SCORING, "reason", "model-status-reason",
     "StorageError: cannot open " CONNECTION("<secret>") " for the feature cache", false},
    {SECRET_ACCOUNT_KEY, SCORING, "query", "url-query", "?customer=<n10000>&store=" CONNECTION("<secret>"), false},
    {SECRET_ACCOUNT_KEY, SCORING, "headers", "header-dump",
     ",'requestHeaders':'" HEADERS "x-feature-store: " CONNECTION("<secret>") "<nl>Accept: */*'", false},
    {SECRET_ACCOUNT_KEY, ACTIVITY, "member", "request-body", "'store':'" CONNECTION("<secret>") "'", false},
    {SECRET_ACCOUNT_KEY, ACTIVITY, "failure_text", "status-message",
     "Validation of " CONNECTION("<secret>") " failed: the account is disabled", false},
    {SECRET_ACCOUNT_KEY, RUN, "planted_variable", "environment", ",'AZURE_STORAGE_CONNECTION_STRING':'" CONNECTION("<secret>") "'",
     false},
    {SECRET_ACCOUNT_KEY, RUN, "run_message", "message",
     "Run <run> failed: could not mount " CONNECTION("<secret>") " on node <n10>", false},
    {SECRET_ACCOUNT_KEY, RUN, "argument", "argument", "'--store','" CONNECTION("<secret>") "'", false},

    {SECRET_JWT, SCORING, "headers", "header-dump",
     ",'requestHeaders':'" HEADERS "Authorization: Bearer <secret><nl>Accept: */*'", false},
    {SECRET_JWT, SCORING, "query", "url-query", "?customer=<n10000>&access_token=<secret>&page=<n10>", false},
    {SECRET_JWT, SCORING, "reason", "model-status-reason", "upstream refused the bearer <secret> with status 401", false},
    {SECRET_JWT, SCORING, "client_request", "client-request-id", "order-<n10000> <secret>", false},
    {SECRET_JWT, ACTIVITY, "member", "request-body", "'webhook':{'headers':'Authorization: Bearer <secret>'}", false},
    {SECRET_JWT, ACTIVITY, "failure_text", "status-message", "The audience of <secret> is not accepted here", false},
    {SECRET_JWT, RUN, "planted_variable", "environment", ",'AZUREML_RUN_TOKEN':'<secret>'", false},
    {SECRET_JWT, RUN, "run_message", "message", "Run <run> failed: 401 for Authorization: Bearer <secret> (retry <n10>)", false},

    {SECRET_SAS, SCORING, "query", "url-query", "?customer=<n10000>&" SAS("<secret>"), false},
    {SECRET_SAS, SCORING, "query", "encoded-url-in-query",
     "?customer=<n10000>&source=https%3A%2F%2Fst<n1000>.blob.core.windows.net%2Fraw%2Fa.csv%3Fsp%3Dr%26sig%3D<secret>", true},
    {SECRET_SAS, SCORING, "client_request", "client-request-id", BLOB "in/<guid>.json?" SAS("<secret>"), false},
    {SECRET_SAS, SCORING, "reason", "model-status-reason", "HTTP 403 from " BLOB "in/a.json?" SAS("<secret>") " after <n10> tries",
     false},
    {SECRET_SAS, ACTIVITY, "member", "request-body", "'uri':'" BLOB "raw/a.csv?" SAS("<secret>") "'", false},
    {SECRET_SAS, ACTIVITY, "member", "request-body-token", "'secrets':{'secretsType':'Sas','sasToken':'" SAS("<secret>") "'}", false},
    {SECRET_SAS, ACTIVITY, "failure_text", "status-message",
     "Could not reach " BLOB "azureml/model.pkl?" SAS("<secret>") " with the supplied token", false},
    {SECRET_SAS, RUN, "data_uri", "data-uri", BLOB "features/part.parquet?" SAS("<secret>"), false},
    {SECRET_SAS, RUN, "planted_variable", "environment", ",'MODEL_URL':'" BLOB "m/model.pkl?" SAS("<secret>") "'", false},
    {SECRET_SAS, RUN, "run_message", "message", "Run <run> downloads " BLOB "m/model.pkl?" SAS("<secret>") " before it starts",
     false},

    {SECRET_CLIENT_SECRET, SCORING, "query", "url-query",
     "?grant_type=client_credentials&client_id=<guid>&client_secret=<secret>&page=<n10>", false},
    {SECRET_CLIENT_SECRET, SCORING, "headers", "header-dump",
     ",'requestHeaders':'" HEADERS "x-app-secret: <secret><nl>Accept: */*'", false},
    {SECRET_CLIENT_SECRET, SCORING, "agent", "user-agent", "batch-client/1.4 (app <guid> with <secret>)", false},
    {SECRET_CLIENT_SECRET, ACTIVITY, "member", "request-body",
     "'credentials':{'credentialsType':'ServicePrincipal','clientId':'<guid>','clientSecret':'<secret>'}", false},
    {SECRET_CLIENT_SECRET, ACTIVITY, "failure_text", "status-message",
     "AADSTS7000215: invalid client secret <secret> provided for app <guid>", false},
    {SECRET_CLIENT_SECRET, RUN, "planted_variable", "environment", ",'AZURE_CLIENT_SECRET':'<secret>'", false},
    {SECRET_CLIENT_SECRET, RUN, "argument", "argument", "'--app','<guid>','--app-secret=<secret>'", false},
    {SECRET_CLIENT_SECRET, RUN, "run_message", "message", "Run <run> failed: login as app <guid> with <secret> was denied", false},

    {SECRET_PASSWORD, SCORING, "query", "url-query", "?user=loader&password=<secret>&page=<n10>", false},
    {SECRET_PASSWORD, SCORING, "agent", "user-agent", "legacy-loader/0.9 password=<secret>", false},
    {SECRET_PASSWORD, SCORING, "reason", "model-status-reason", "OperationalError: " SQL("<secret>") " timed out", false},
    {SECRET_PASSWORD, SCORING, "client_request", "client-request-id", "https://loader:<secret>@feeds.contoso.example/orders/<n10000>",
     false},
    {SECRET_PASSWORD, ACTIVITY, "member", "request-body", "'administratorLogin':'loader','administratorLoginPassword':'<secret>'",
     false},
    {SECRET_PASSWORD, ACTIVITY, "member", "request-body-text", "'source':'" SQL("<secret>") "'", false},
    {SECRET_PASSWORD, ACTIVITY, "failure_text", "status-message", "Login failed for " SQL("<secret>") " from this address", false},
    {SECRET_PASSWORD, RUN, "planted_variable", "environment", ",'DB_PASSWORD':'<secret>'", false},
    {SECRET_PASSWORD, RUN, "argument", "argument", "'--user=loader','--password=<secret>'", false},
    {SECRET_PASSWORD, RUN, "run_message", "message", "Run <run> failed: " SQL("<secret>") " is not reachable from node <n10>", false},
    {0, 0, NULL, NULL, NULL, false},
};
