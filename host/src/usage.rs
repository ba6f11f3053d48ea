//! Usage texts in the reference's layout.

/// One option of a command.
struct Opt {
    short: char,
    long: &'static str,
    takes_value: bool,
    text: &'static str,
}

const fn opt(short: char, long: &'static str, takes_value: bool, text: &'static str) -> Opt {
    Opt { short, long, takes_value, text }
}

const NAMESRV: [Opt; 4] = [
    opt('c', "configFile", true, "Name server config properties file"),
    opt('h', "help", false, "Print help"),
    opt('n', "namesrvAddr", true, "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    opt('p', "printConfigItem", false, "Print all config items"),
];

const CONTROLLER: [Opt; 4] = [
    opt('c', "configFile", true, "Controller config properties file"),
    opt('h', "help", false, "Print help"),
    opt('n', "namesrvAddr", true, "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    opt('p', "printConfigItem", false, "Print all config items"),
];

const BROKER: [Opt; 5] = [
    opt('c', "configFile", true, "Broker config properties file"),
    opt('h', "help", false, "Print help"),
    opt('m', "printImportantConfig", false, "Print important config item"),
    opt('n', "namesrvAddr", true, "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    opt('p', "printConfigItem", false, "Print all config item"),
];

const CONTAINER: [Opt; 6] = [
    opt('b', "brokerConfigFiles", true, "The path of broker config files, split by ':'"),
    opt('c', "configFile", true, "Config file for shared broker config"),
    opt('h', "help", false, "Print help"),
    opt('m', "printImportantConfig", false, "Print important config item"),
    opt('n', "namesrvAddr", true, "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    opt('p', "printConfigItem", false, "Print all config item"),
];

/// The usage text of `mqnamesrv`, `mqcontroller`, `mqbroker` or `mqbrokercontainer`, which `-h` prints.
#[must_use]
pub fn text(program: &str) -> String {
    let options: &[Opt] = match program {
        "mqnamesrv" => &NAMESRV,
        "mqbrokercontainer" => &CONTAINER,
        "mqcontroller" => &CONTROLLER,
        _ => &BROKER,
    };
    let mut usage = format!("usage: {program}");
    for option in options {
        let value = if option.takes_value { " <arg>" } else { "" };
        usage.push_str(&format!(" [-{}{value}]", option.short));
    }
    let left = |option: &Opt| {
        let value = if option.takes_value { " <arg>" } else { "" };
        format!(" -{},--{}{value}", option.short, option.long)
    };
    let width = options.iter().map(|option| left(option).len()).max().unwrap_or(0) + 3;
    for option in options {
        usage.push_str(&format!("\n{:width$}{}", left(option), option.text));
    }
    usage
}

/// What the binary itself says to `--help`.
#[must_use]
pub fn overview(program: &str) -> String {
    format!(
        "{program}: the server side of Apache RocketMQ 5\n\n\
         usage: {program} [COMMAND] [OPTIONS]\n\n\
         commands:\n\
         \x20 standalone   NameServer (9876) and Broker (10911) in one process; the default\n\
         \x20 namesrv      a NameServer, as mqnamesrv\n\
         \x20 broker       a Broker, as mqbroker\n\
         \x20 controller   a controller, as mqcontroller\n\
         \x20 container    several Brokers in one process, as mqbrokercontainer\n\n\
         options:\n\
         \x20 -c FILE      configuration file with the reference's keys\n\
         \x20 -n ADDRS     NameServers, host:port;host:port\n\
         \x20 -p           print all configuration items and exit\n\
         \x20 -m           print the important configuration items and exit (broker)\n\
         \x20 -b FILES     configuration files of a container's brokers, FILE:FILE\n\
         \x20 -h           the reference's usage text of the command\n\
         \x20 --data DIR   where data lives: ./data for standalone, the home directory otherwise\n\
         \x20 --log-dir DIR   where logs go: ~/logs/rocketmqlogs, or DATA/logs with --data or standalone\n\n\
         Called as mqnamesrv, mqcontroller, mqbroker or mqbrokercontainer (say, through a symbolic link) it is that command."
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn usage_reads_as_the_reference_prints_it() {
        let wanted = "usage: mqnamesrv [-c <arg>] [-h] [-n <arg>] [-p]\n \
                      -c,--configFile <arg>    Name server config properties file\n \
                      -h,--help                Print help\n \
                      -n,--namesrvAddr <arg>   Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'\n \
                      -p,--printConfigItem     Print all config items";
        assert_eq!(text("mqnamesrv"), wanted);
    }
}
