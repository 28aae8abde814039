// The type of each kind of object that deploy/kubernetes has.
import type { ClusterProps, ScheduledBackupProps } from '@cdk8s-kit/crds/pg';
import type { IPodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import type { IPrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import type { IServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import type { IIngress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { INamespace } from 'kubernetes-models/v1/Namespace';
import type { ISecret } from 'kubernetes-models/v1/Secret';
import type { IService } from 'kubernetes-models/v1/Service';

// CloudNativePG 1.28 has this field; the package is older.
declare module '@cdk8s-kit/crds/pg' {
  interface ClusterSpecPostgresqlSynchronous {
    readonly failoverQuorum?: boolean;
  }
}

/**
 * A type of cdk8s as it is in YAML: there, a value of an enum is a string, and a quantity or a port
 * is a string or a number.
 */
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | undefined
    ? T
    : keyof T extends 'value'
      ? string | number
      : { [K in keyof T]: Plain<T[K]> };

interface Of<Group extends string, Kind extends string> {
  apiVersion: Group;
  kind: Kind;
}

/** The Barman Cloud plugin has no package. Its configuration has CloudNativePG's own type. */
interface ObjectStore extends Of<'barmancloud.cnpg.io/v1', 'ObjectStore'> {
  metadata: Plain<ClusterProps['metadata']>;
  spec: {
    retentionPolicy?: string;
    configuration: Omit<
      NonNullable<NonNullable<Plain<ClusterProps['spec']['backup']>>['barmanObjectStore']>,
      'serverName'
    >;
  };
}

export interface Kinds {
  'apps/v1 Deployment': IDeployment;
  'apps/v1 StatefulSet': IStatefulSet;
  'autoscaling/v2 HorizontalPodAutoscaler': IHorizontalPodAutoscaler;
  'barmancloud.cnpg.io/v1 ObjectStore': ObjectStore;
  'batch/v1 Job': IJob;
  'monitoring.coreos.com/v1 PodMonitor': IPodMonitor;
  'monitoring.coreos.com/v1 PrometheusRule': IPrometheusRule;
  'monitoring.coreos.com/v1 ServiceMonitor': IServiceMonitor;
  'networking.k8s.io/v1 Ingress': IIngress;
  'networking.k8s.io/v1 NetworkPolicy': INetworkPolicy;
  'policy/v1 PodDisruptionBudget': IPodDisruptionBudget;
  'postgresql.cnpg.io/v1 Cluster': Of<'postgresql.cnpg.io/v1', 'Cluster'> & Plain<ClusterProps>;
  'postgresql.cnpg.io/v1 ScheduledBackup': Of<'postgresql.cnpg.io/v1', 'ScheduledBackup'> &
    Plain<ScheduledBackupProps>;
  'v1 ConfigMap': IConfigMap;
  'v1 Namespace': INamespace;
  'v1 Secret': ISecret;
  'v1 Service': IService;
}
