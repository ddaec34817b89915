"""Mistakes in settings and secrets."""

from tests.deploy import setting_rules
from tests.deploy.faults import NEW, ONE, SECRETS, Fault, detector

SETTING_FAULTS = (
    Fault(
        setting_rules.has_settings_that_are_understood,
        "a misspelt variable",
        "Deployment/embedder",
        (*ONE, "env", "FACESTREAM_EMBEDDER_THREADS", "name"),
        "FACESTREAM_EMBEDDER_THREDS",
    ),
    Fault(
        setting_rules.has_settings_that_are_understood,
        "a misspelt setting",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_SERVICE_LOGLEVEL"),
        "INFO",
    ),
    Fault(
        setting_rules.has_settings_that_are_understood,
        "a misspelt folder",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_MODELS_FOLDER"),
        "/models",
    ),
    detector(
        setting_rules.has_settings_that_are_understood,
        "a misspelt file",
        *SECRETS,
        0,
        "secret",
        "items",
        0,
        "path",
        value="FACESTREAM_KAFKA_PASWORD",
    ),
    Fault(
        setting_rules.has_settings_that_load,
        "a value that is refused",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_SERVICE_LOG_LEVEL"),
        "LOUD",
    ),
    Fault(
        setting_rules.has_settings_that_load,
        "a scheme in the address",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_MINIO_ENDPOINT"),
        "https://minio.test",
    ),
    detector(setting_rules.has_settings_that_load, "a key that is missing", *SECRETS, 1, "secret", "items", 1),
    Fault(
        setting_rules.has_settings_that_load,
        "another folder of secrets",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_SECRETS_DIR"),
        "/run/secrets",
    ),
    Fault(
        setting_rules.knows_where_the_servers_are,
        "no address",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS"),
    ),
    Fault(setting_rules.knows_where_the_servers_are, "no database", "Deployment/assigner", (*SECRETS, 2)),
    detector(
        setting_rules.knows_where_the_servers_are,
        "a login that is not its business",
        *SECRETS,
        2,
        value={
            "secret": {
                "name": "facestream-mongo",
                "items": [{"key": "FACESTREAM_MONGO_URI", "path": "FACESTREAM_MONGO_URI"}],
            }
        },
    ),
    detector(setting_rules.knows_where_the_servers_are, "no password", *SECRETS, 0),
    detector(
        setting_rules.knows_where_the_servers_are, "perhaps a password", *SECRETS, 0, "secret", "optional", value=True
    ),
    detector(
        setting_rules.knows_where_the_servers_are,
        "another's password",
        *SECRETS,
        0,
        "secret",
        "name",
        value="facestream-assigner",
    ),
    detector(setting_rules.knows_where_the_servers_are, "no user", *ONE, "env", "FACESTREAM_KAFKA_USERNAME"),
    detector(
        setting_rules.reads_certificates_that_are_mounted,
        "certificates elsewhere",
        *ONE,
        "volumeMounts",
        "ca",
        "mountPath",
        value="/etc/certificates",
    ),
    Fault(
        setting_rules.reads_certificates_that_are_mounted,
        "another file",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_MONGO_CA_FILE"),
        "/etc/facestream/ca/mongo.crt",
    ),
    Fault(
        setting_rules.holds_no_secret,
        "a Secret",
        NEW,
        (),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "facestream-minio"}, "stringData": {"key": "x"}},
    ),
    Fault(
        setting_rules.holds_no_secret,
        "a password for all to read",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_KAFKA_PASSWORD"),
        "x",
    ),
    detector(
        setting_rules.holds_no_secret,
        "a password in the manifest",
        *ONE,
        "env",
        0,
        value={"name": "FACESTREAM_KAFKA_PASSWORD", "value": "x"},
    ),
)
