// The environment of every program that reads files of a submission.
import { translationFile } from '../texts.ts';

/** Names that the Docker command and Node need; all others stay away from `${…}` and `git`. */
const passed = /^(PATH|HOME|TMPDIR|LANG|LC_\w+|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|(HTTPS?|NO)_PROXY)$/i;
const ofDocker = /^DOCKER_(HOST|CONTEXT|CONFIG|CERT_PATH|TLS|TLS_VERIFY|API_VERSION)$/;

/** Settings of a repository can name programs that Git runs: these take precedence. */
const gitSettings = {
  'safe.bareRepository': 'explicit',
  'safe.directory': '*',
  'core.fsmonitor': 'false',
  'core.hooksPath': '/dev/null',
  'core.attributesFile': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.pager': 'cat',
  'protocol.allow': 'never',
};

/** The environment, without the secrets of whoever runs this. `ceiling`: Git looks no higher. */
export function environment(env: NodeJS.ProcessEnv, ceiling: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => passed.test(name) || ofDocker.test(name));
  const git = Object.entries(gitSettings).flatMap(([key, value], n) => [
    [`GIT_CONFIG_KEY_${n}`, key],
    [`GIT_CONFIG_VALUE_${n}`, value],
  ]);
  return {
    ...(Object.fromEntries([...kept, ...git]) as NodeJS.ProcessEnv),
    GIT_CONFIG_COUNT: String(Object.keys(gitSettings).length),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CEILING_DIRECTORIES: ceiling,
    GIT_TERMINAL_PROMPT: '0',
    DOCKER_BUILDKIT: '1',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
    NO_COLOR: '1',
    ...(translationFile !== undefined && { VERIFY_TEXTS: translationFile }),
  };
}
