//! Keys of authentication and authorization, in the reference's order. None changes at run time.

use super::settings::config;

config! {
    /// `AuthConfig`.
    AuthConfig {
        config_name: Option<String> = "configName", None;
        cluster_name: Option<String> = "clusterName", None;
        auth_config_path: Option<String> = "authConfigPath", None;
        authentication_enabled: bool = "authenticationEnabled", false;
        authentication_provider: Option<String> = "authenticationProvider", None;
        authentication_metadata_provider: Option<String> = "authenticationMetadataProvider", None;
        authentication_strategy: Option<String> = "authenticationStrategy", None;
        authentication_whitelist: Option<String> = "authenticationWhitelist", None;
        init_authentication_user: Option<String> = "initAuthenticationUser", None;
        inner_client_authentication_credentials: Option<String> = "innerClientAuthenticationCredentials", None;
        authorization_enabled: bool = "authorizationEnabled", false;
        authorization_provider: Option<String> = "authorizationProvider", None;
        authorization_metadata_provider: Option<String> = "authorizationMetadataProvider", None;
        authorization_strategy: Option<String> = "authorizationStrategy", None;
        authorization_whitelist: Option<String> = "authorizationWhitelist", None;
        migrate_auth_from_v1_enabled: bool = "migrateAuthFromV1Enabled", false;
        user_cache_max_num: i32 = "userCacheMaxNum", 1_000;
        user_cache_expired_second: i32 = "userCacheExpiredSecond", 600;
        user_cache_refresh_second: i32 = "userCacheRefreshSecond", 60;
        acl_cache_max_num: i32 = "aclCacheMaxNum", 1_000;
        acl_cache_expired_second: i32 = "aclCacheExpiredSecond", 600;
        acl_cache_refresh_second: i32 = "aclCacheRefreshSecond", 60;
        stateful_authentication_cache_max_num: i32 = "statefulAuthenticationCacheMaxNum", 10_000;
        stateful_authentication_cache_expired_second: i32 = "statefulAuthenticationCacheExpiredSecond", 60;
        stateful_authorization_cache_max_num: i32 = "statefulAuthorizationCacheMaxNum", 10_000;
        stateful_authorization_cache_expired_second: i32 = "statefulAuthorizationCacheExpiredSecond", 60;
    }
}
