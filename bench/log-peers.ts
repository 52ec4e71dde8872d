// What a user would take instead, as programs with configurations of their own in a folder of the benchmark: nothing of the
// system's is read or written, and none of them has a network. One that is not there is left out, and the table says so.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from './measured.ts';

export type Peer = Contender | { readonly name: string; readonly missing: string };

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

const alone = ['unshare', '--net'];

/** liblognorm's own parser of iptables lines, and JSON out of it. */
export function rsyslog(directory: string, file: string, lines: number): Peer {
  const name = 'rsyslog: imfile, mmnormalize, omfile with JSON';
  if (!has('rsyslogd')) return { name, missing: 'package rsyslog' };
  const home = join(directory, 'rsyslog');
  const output = join(directory, 'rsyslog.json');
  const rules = join(directory, 'iptables.rulebase');
  writeFileSync(rules, 'version=2\nrule=:%-:string-to:IN=%%fw:v2-iptables%\n');
  const text = [
    `global(workDirectory="${home}" maxMessageSize="8k")`,
    'module(load="imfile")',
    'module(load="mmnormalize")',
    'template(name="json" type="list") { property(name="$!all-json-plain") constant(value="\\n") }',
    `input(type="imfile" file="${file}" tag="kernel" ruleset="firewall")`,
    'ruleset(name="firewall" queue.type="FixedArray" queue.size="10000") {',
    `  action(type="mmnormalize" rulebase="${rules}")`,
    `  action(type="omfile" file="${output}" template="json")`,
    '}',
  ];
  const config = join(directory, 'rsyslog.conf');
  writeFileSync(config, `${text.join('\n')}\n`);
  return {
    name,
    lines,
    argv: [...alone, 'rsyslogd', '-n', '-f', config, '-i', join(directory, 'rsyslog.pid')],
    until: { file: output, lines },
    prepare: () => {
      for (const old of [home, output]) rmSync(old, { recursive: true, force: true });
      mkdirSync(home);
    },
  };
}

/** It writes below /var/log wherever it is told to run: there is a folder of its own in its place. */
export function psad(file: string, lines: number): Peer {
  const name = 'psad -A';
  if (!has('psad')) return { name, missing: 'package psad' };
  const script = 'mount -t tmpfs tmpfs /var/log && exec psad -A -m "$1" --no-whois --no-rdns';
  return { name, lines, argv: [...alone, '--mount', 'sh', '-c', script, 'sh', file] };
}

/**
 * With the parsers and the scenario for scans that its package brings. The package is unpacked only: its installation
 * registers the machine with a service of its makers.
 */
export function crowdsec(directory: string, file: string, lines: number): Peer {
  const name = 'CrowdSec, replay';
  const root = join(directory, 'crowdsec');
  mkdirSync(root);
  if (!unpacked('crowdsec', root)) return { name, missing: 'package crowdsec' };
  const config = join(root, 'config.yaml');
  writeFileSync(config, crowdsecConfig(root));
  const credentials = ['-f', join(root, 'credentials.yaml'), '-u', `http://${crowdsecAddress}`];
  writeFileSync(join(root, 'credentials.yaml'), '');
  const machine = ['machines', 'add', 'bench', '--password', 'bench', ...credentials];
  execFileSync(join(root, 'usr/bin/cscli'), ['-c', config, ...machine], { stdio: 'ignore' });
  const script = 'ip link set lo up && exec "$1" -c "$2" -dsn "file://$3" -type syslog';
  return { name, lines, argv: [...alone, 'sh', '-c', script, 'sh', join(root, 'usr/bin/crowdsec'), config, file] };
}

const crowdsecAddress = '127.0.0.1:18080';

function unpacked(name: string, root: string): boolean {
  if (spawnSync('apt-get', ['download', name], { cwd: root }).status !== 0) return false;
  const [archive] = globSync(`${name}_*.deb`, { cwd: root });
  return archive !== undefined && spawnSync('dpkg', ['-x', archive, root], { cwd: root }).status === 0;
}

function crowdsecConfig(root: string): string {
  const hub = join(root, 'usr/share/crowdsec/hub');
  const etc = join(root, 'etc/crowdsec');
  const parts = [
    'parsers/s00-raw/crowdsecurity/syslog-logs.yaml',
    'parsers/s01-parse/crowdsecurity/iptables-logs.yaml',
    'parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml',
    'scenarios/crowdsecurity/iptables-scan-multi_ports.yaml',
  ];
  for (const part of parts) {
    const [file = '', , ...stage] = part.split('/').reverse();
    const folder = join(etc, ...stage.reverse());
    mkdirSync(folder, { recursive: true });
    if (!existsSync(join(folder, file))) symlinkSync(join(hub, part), join(folder, file));
  }
  mkdirSync(join(root, 'data'));
  cpSync(join(root, 'usr/share/crowdsec/data'), join(root, 'data'), { recursive: true });
  writeFileSync(join(etc, 'acquis.yaml'), '{}\n');
  return JSON.stringify({
    common: { daemonize: false, log_media: 'stdout', log_level: 'error', working_dir: '.' },
    config_paths: {
      config_dir: `${etc}/`,
      data_dir: `${join(root, 'data')}/`,
      simulation_path: join(etc, 'simulation.yaml'),
      hub_dir: hub,
      index_path: join(hub, '.index.json'),
    },
    crowdsec_service: { acquisition_path: join(etc, 'acquis.yaml'), parser_routines: 1 },
    db_config: { type: 'sqlite', db_path: join(root, 'data/crowdsec.db') },
    api: {
      client: { credentials_path: join(root, 'credentials.yaml') },
      server: { profiles_path: join(etc, 'profiles.yaml'), listen_uri: crowdsecAddress },
    },
    prometheus: { enabled: false },
  });
}
