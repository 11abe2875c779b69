//! Go's types that a template can reach. Made by `make bless-go` from k8s.io/api: not for editing.

use super::{Field, How, Kind, Show, Stringer, Type};

#[rustfmt::skip]
pub(super) static TYPES: &[Type] = &[
    // 0
    Type { id: 0, name: "interface {}", kind: Kind::Interface, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 1
    Type { id: 1, name: "bool", kind: Kind::Bool, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 2
    Type { id: 2, name: "int", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 3
    Type { id: 3, name: "int64", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 4
    Type { id: 4, name: "uint8", kind: Kind::Uint, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 5
    Type { id: 5, name: "float64", kind: Kind::Float, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 6
    Type { id: 6, name: "complex128", kind: Kind::Complex, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 7
    Type { id: 7, name: "string", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 8
    Type { id: 8, name: "map[string]string", kind: Kind::Map, elem: 7, key: 7, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 9
    Type { id: 9, name: "*main.data", kind: Kind::Pointer, elem: 23, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 10
    Type { id: 10, name: "time.Time", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &["Add", "AddDate", "After", "AppendBinary", "AppendFormat", "AppendText", "Before", "Clock", "Compare", "Date", "Day", "Equal", "Format", "GoString", "GobDecode", "GobEncode", "Hour", "ISOWeek", "In", "IsDST", "IsZero", "Local", "Location", "MarshalBinary", "MarshalJSON", "MarshalText", "Minute", "Month", "Nanosecond", "Round", "Second", "String", "Sub", "Truncate", "UTC", "Unix", "UnixMicro", "UnixMilli", "UnixNano", "UnmarshalBinary", "UnmarshalJSON", "UnmarshalText", "Weekday", "Year", "YearDay", "Zone", "ZoneBounds", ],
        show: &[] },
    // 11
    Type { id: 11, name: "v1.Time", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[
            Field { name: "Time", json: "", ty: 10, embedded: true },],
        methods: &["Add", "AddDate", "After", "AppendBinary", "AppendFormat", "AppendText", "Before", "Clock", "Compare", "Date", "Day", "DeepCopy", "DeepCopyInto", "Descriptor", "Equal", "Format", "GoString", "GobDecode", "GobEncode", "Hour", "ISOWeek", "In", "IsDST", "IsZero", "Local", "Location", "Marshal", "MarshalBinary", "MarshalCBOR", "MarshalJSON", "MarshalQueryParameter", "MarshalText", "MarshalTo", "MarshalToSizedBuffer", "Minute", "Month", "Nanosecond", "OpenAPISchemaFormat", "OpenAPISchemaType", "ProtoMessage", "ProtoTime", "RandFill", "Reset", "Rfc3339Copy", "Round", "Second", "Size", "String", "Sub", "ToUnstructured", "Truncate", "UTC", "Unix", "UnixMicro", "UnixMilli", "UnixNano", "Unmarshal", "UnmarshalBinary", "UnmarshalCBOR", "UnmarshalJSON", "UnmarshalQueryParameter", "UnmarshalText", "Weekday", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", "Year", "YearDay", "Zone", "ZoneBounds", ],
        show: &[] },
    // 12
    Type { id: 12, name: "v1.MicroTime", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[
            Field { name: "Time", json: "", ty: 10, embedded: true },],
        methods: &["Add", "AddDate", "After", "AppendBinary", "AppendFormat", "AppendText", "Before", "BeforeTime", "Clock", "Compare", "Date", "Day", "DeepCopy", "DeepCopyInto", "Descriptor", "Equal", "EqualTime", "Format", "GoString", "GobDecode", "GobEncode", "Hour", "ISOWeek", "In", "IsDST", "IsZero", "Local", "Location", "Marshal", "MarshalBinary", "MarshalCBOR", "MarshalJSON", "MarshalQueryParameter", "MarshalText", "MarshalTo", "MarshalToSizedBuffer", "Minute", "Month", "Nanosecond", "OpenAPISchemaFormat", "OpenAPISchemaType", "ProtoMessage", "ProtoMicroTime", "RandFill", "Reset", "Round", "Second", "Size", "String", "Sub", "Truncate", "UTC", "Unix", "UnixMicro", "UnixMilli", "UnixNano", "Unmarshal", "UnmarshalBinary", "UnmarshalCBOR", "UnmarshalJSON", "UnmarshalQueryParameter", "UnmarshalText", "Weekday", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", "Year", "YearDay", "Zone", "ZoneBounds", ],
        show: &[] },
    // 13
    Type { id: 13, name: "resource.Quantity", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Format", json: "", ty: 18, embedded: true },],
        methods: &["Add", "AsApproximateFloat64", "AsCanonicalBytes", "AsDec", "AsFloat64Slow", "AsInt64", "AsScale", "CanonicalizeBytes", "Cmp", "CmpInt64", "DeepCopy", "DeepCopyInto", "Descriptor", "Equal", "IsZero", "Marshal", "MarshalCBOR", "MarshalJSON", "MarshalTo", "MarshalToSizedBuffer", "MilliValue", "Mul", "Neg", "OpenAPISchemaFormat", "OpenAPISchemaType", "OpenAPIV3OneOfTypes", "ProtoMessage", "Reset", "RoundUp", "ScaledValue", "Set", "SetMilli", "SetScaled", "Sign", "Size", "String", "Sub", "ToDec", "ToUnstructured", "Unmarshal", "UnmarshalCBOR", "UnmarshalJSON", "Value", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[] },
    // 14
    Type { id: 14, name: "time.Month", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &["String", ],
        show: &[] },
    // 15
    Type { id: 15, name: "time.Weekday", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &["String", ],
        show: &[] },
    // 16
    Type { id: 16, name: "time.Duration", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &["Abs", "Hours", "Microseconds", "Milliseconds", "Minutes", "Nanoseconds", "Round", "Seconds", "String", "Truncate", ],
        show: &[] },
    // 17
    Type { id: 17, name: "int32", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 18
    Type { id: 18, name: "resource.Format", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 19
    Type { id: 19, name: "[]uint8", kind: Kind::Slice, elem: 4, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 20
    Type { id: 20, name: "[]v1.OwnerReference", kind: Kind::Slice, elem: 316, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 21
    Type { id: 21, name: "uint64", kind: Kind::Uint, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 22
    Type { id: 22, name: "int8", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 23
    Type { id: 23, name: "main.data", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[
            Field { name: "TrustDomain", json: "", ty: 7, embedded: false },
            Field { name: "ClusterName", json: "", ty: 7, embedded: false },
            Field { name: "ClusterDomain", json: "", ty: 7, embedded: false },
            Field { name: "ApplicationName", json: "", ty: 7, embedded: false },
            Field { name: "AccountID", json: "", ty: 7, embedded: false },
            Field { name: "Region", json: "", ty: 7, embedded: false },
            Field { name: "InstanceID", json: "", ty: 7, embedded: false },
            Field { name: "PodMeta", json: "", ty: 24, embedded: false },
            Field { name: "PodSpec", json: "", ty: 35, embedded: false },
            Field { name: "NodeMeta", json: "", ty: 24, embedded: false },
            Field { name: "NodeSpec", json: "", ty: 308, embedded: false },
            Field { name: "EKSClusterName", json: "", ty: 7, embedded: false },
            Field { name: "ClusterLabels", json: "", ty: 8, embedded: false },
            Field { name: "Namespace", json: "", ty: 7, embedded: false },
            Field { name: "ServiceAccount", json: "", ty: 7, embedded: false },],
        methods: &[],
        show: &[] },
    // 24
    Type { id: 24, name: "*v1.ObjectMeta", kind: Kind::Pointer, elem: 25, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 25
    Type { id: 25, name: "v1.ObjectMeta", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "GenerateName", json: "generateName", ty: 7, embedded: false },
            Field { name: "Namespace", json: "namespace", ty: 7, embedded: false },
            Field { name: "SelfLink", json: "selfLink", ty: 7, embedded: false },
            Field { name: "UID", json: "uid", ty: 26, embedded: false },
            Field { name: "ResourceVersion", json: "resourceVersion", ty: 7, embedded: false },
            Field { name: "Generation", json: "generation", ty: 3, embedded: false },
            Field { name: "CreationTimestamp", json: "creationTimestamp", ty: 11, embedded: false },
            Field { name: "DeletionTimestamp", json: "deletionTimestamp", ty: 27, embedded: false },
            Field { name: "DeletionGracePeriodSeconds", json: "deletionGracePeriodSeconds", ty: 28, embedded: false },
            Field { name: "Labels", json: "labels", ty: 8, embedded: false },
            Field { name: "Annotations", json: "annotations", ty: 8, embedded: false },
            Field { name: "OwnerReferences", json: "ownerReferences", ty: 20, embedded: false },
            Field { name: "Finalizers", json: "finalizers", ty: 29, embedded: false },
            Field { name: "ManagedFields", json: "managedFields", ty: 30, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "GetAnnotations", "GetCreationTimestamp", "GetDeletionGracePeriodSeconds", "GetDeletionTimestamp", "GetFinalizers", "GetGenerateName", "GetGeneration", "GetLabels", "GetManagedFields", "GetName", "GetNamespace", "GetObjectMeta", "GetOwnerReferences", "GetResourceVersion", "GetSelfLink", "GetUID", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "SetAnnotations", "SetCreationTimestamp", "SetDeletionGracePeriodSeconds", "SetDeletionTimestamp", "SetFinalizers", "SetGenerateName", "SetGeneration", "SetLabels", "SetManagedFields", "SetName", "SetNamespace", "SetOwnerReferences", "SetResourceVersion", "SetSelfLink", "SetUID", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "GenerateName", field: "GenerateName", how: How::Plain, from: "", to: "" },
            Show { label: "Namespace", field: "Namespace", how: How::Plain, from: "", to: "" },
            Show { label: "SelfLink", field: "SelfLink", how: How::Plain, from: "", to: "" },
            Show { label: "UID", field: "UID", how: How::Plain, from: "", to: "" },
            Show { label: "ResourceVersion", field: "ResourceVersion", how: How::Plain, from: "", to: "" },
            Show { label: "Generation", field: "Generation", how: How::Plain, from: "", to: "" },
            Show { label: "CreationTimestamp", field: "CreationTimestamp", how: How::TextNested, from: "Time", to: "Time" },
            Show { label: "DeletionTimestamp", field: "DeletionTimestamp", how: How::Text, from: "Time", to: "Time" },
            Show { label: "DeletionGracePeriodSeconds", field: "DeletionGracePeriodSeconds", how: How::Pointer, from: "", to: "" },
            Show { label: "Labels", field: "Labels", how: How::Map, from: "map[string]string{", to: "" },
            Show { label: "Annotations", field: "Annotations", how: How::Map, from: "map[string]string{", to: "" },
            Show { label: "OwnerReferences", field: "OwnerReferences", how: How::List, from: "[]OwnerReference{", to: "OwnerReference OwnerReference" },
            Show { label: "Finalizers", field: "Finalizers", how: How::Plain, from: "", to: "" },
            Show { label: "ManagedFields", field: "ManagedFields", how: How::List, from: "[]ManagedFieldsEntry{", to: "ManagedFieldsEntry ManagedFieldsEntry" },] },
    // 26
    Type { id: 26, name: "types.UID", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 27
    Type { id: 27, name: "*v1.Time", kind: Kind::Pointer, elem: 11, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 28
    Type { id: 28, name: "*int64", kind: Kind::Pointer, elem: 3, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 29
    Type { id: 29, name: "[]string", kind: Kind::Slice, elem: 7, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 30
    Type { id: 30, name: "[]v1.ManagedFieldsEntry", kind: Kind::Slice, elem: 31, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 31
    Type { id: 31, name: "v1.ManagedFieldsEntry", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Manager", json: "manager", ty: 7, embedded: false },
            Field { name: "Operation", json: "operation", ty: 32, embedded: false },
            Field { name: "APIVersion", json: "apiVersion", ty: 7, embedded: false },
            Field { name: "Time", json: "time", ty: 27, embedded: false },
            Field { name: "FieldsType", json: "fieldsType", ty: 7, embedded: false },
            Field { name: "FieldsV1", json: "fieldsV1", ty: 33, embedded: false },
            Field { name: "Subresource", json: "subresource", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Manager", field: "Manager", how: How::Plain, from: "", to: "" },
            Show { label: "Operation", field: "Operation", how: How::Plain, from: "", to: "" },
            Show { label: "APIVersion", field: "APIVersion", how: How::Plain, from: "", to: "" },
            Show { label: "Time", field: "Time", how: How::Text, from: "Time", to: "Time" },
            Show { label: "FieldsType", field: "FieldsType", how: How::Plain, from: "", to: "" },
            Show { label: "FieldsV1", field: "FieldsV1", how: How::Text, from: "FieldsV1", to: "FieldsV1" },
            Show { label: "Subresource", field: "Subresource", how: How::Plain, from: "", to: "" },] },
    // 32
    Type { id: 32, name: "v1.ManagedFieldsOperationType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 33
    Type { id: 33, name: "*v1.FieldsV1", kind: Kind::Pointer, elem: 34, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 34
    Type { id: 34, name: "v1.FieldsV1", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Value,
        fields: &[
            Field { name: "Raw", json: "-", ty: 19, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalCBOR", "MarshalJSON", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "UnmarshalCBOR", "UnmarshalJSON", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[] },
    // 35
    Type { id: 35, name: "*v1.PodSpec", kind: Kind::Pointer, elem: 36, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 36
    Type { id: 36, name: "v1.PodSpec", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Volumes", json: "volumes", ty: 37, embedded: false },
            Field { name: "InitContainers", json: "initContainers", ty: 155, embedded: false },
            Field { name: "Containers", json: "containers", ty: 155, embedded: false },
            Field { name: "EphemeralContainers", json: "ephemeralContainers", ty: 242, embedded: false },
            Field { name: "RestartPolicy", json: "restartPolicy", ty: 245, embedded: false },
            Field { name: "TerminationGracePeriodSeconds", json: "terminationGracePeriodSeconds", ty: 28, embedded: false },
            Field { name: "ActiveDeadlineSeconds", json: "activeDeadlineSeconds", ty: 28, embedded: false },
            Field { name: "DNSPolicy", json: "dnsPolicy", ty: 246, embedded: false },
            Field { name: "NodeSelector", json: "nodeSelector", ty: 8, embedded: false },
            Field { name: "ServiceAccountName", json: "serviceAccountName", ty: 7, embedded: false },
            Field { name: "DeprecatedServiceAccount", json: "serviceAccount", ty: 7, embedded: false },
            Field { name: "AutomountServiceAccountToken", json: "automountServiceAccountToken", ty: 59, embedded: false },
            Field { name: "NodeName", json: "nodeName", ty: 7, embedded: false },
            Field { name: "HostNetwork", json: "hostNetwork", ty: 1, embedded: false },
            Field { name: "HostPID", json: "hostPID", ty: 1, embedded: false },
            Field { name: "HostIPC", json: "hostIPC", ty: 1, embedded: false },
            Field { name: "ShareProcessNamespace", json: "shareProcessNamespace", ty: 59, embedded: false },
            Field { name: "SecurityContext", json: "securityContext", ty: 247, embedded: false },
            Field { name: "ImagePullSecrets", json: "imagePullSecrets", ty: 258, embedded: false },
            Field { name: "Hostname", json: "hostname", ty: 7, embedded: false },
            Field { name: "Subdomain", json: "subdomain", ty: 7, embedded: false },
            Field { name: "Affinity", json: "affinity", ty: 259, embedded: false },
            Field { name: "SchedulerName", json: "schedulerName", ty: 7, embedded: false },
            Field { name: "Tolerations", json: "tolerations", ty: 280, embedded: false },
            Field { name: "HostAliases", json: "hostAliases", ty: 284, embedded: false },
            Field { name: "PriorityClassName", json: "priorityClassName", ty: 7, embedded: false },
            Field { name: "Priority", json: "priority", ty: 58, embedded: false },
            Field { name: "DNSConfig", json: "dnsConfig", ty: 286, embedded: false },
            Field { name: "ReadinessGates", json: "readinessGates", ty: 290, embedded: false },
            Field { name: "RuntimeClassName", json: "runtimeClassName", ty: 66, embedded: false },
            Field { name: "EnableServiceLinks", json: "enableServiceLinks", ty: 59, embedded: false },
            Field { name: "PreemptionPolicy", json: "preemptionPolicy", ty: 293, embedded: false },
            Field { name: "Overhead", json: "overhead", ty: 144, embedded: false },
            Field { name: "TopologySpreadConstraints", json: "topologySpreadConstraints", ty: 295, embedded: false },
            Field { name: "SetHostnameAsFQDN", json: "setHostnameAsFQDN", ty: 59, embedded: false },
            Field { name: "OS", json: "os", ty: 300, embedded: false },
            Field { name: "HostUsers", json: "hostUsers", ty: 59, embedded: false },
            Field { name: "SchedulingGates", json: "schedulingGates", ty: 303, embedded: false },
            Field { name: "ResourceClaims", json: "resourceClaims", ty: 305, embedded: false },
            Field { name: "Resources", json: "resources", ty: 307, embedded: false },
            Field { name: "HostnameOverride", json: "hostnameOverride", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Volumes", field: "Volumes", how: How::List, from: "[]Volume{", to: "Volume Volume" },
            Show { label: "Containers", field: "Containers", how: How::List, from: "[]Container{", to: "Container Container" },
            Show { label: "RestartPolicy", field: "RestartPolicy", how: How::Plain, from: "", to: "" },
            Show { label: "TerminationGracePeriodSeconds", field: "TerminationGracePeriodSeconds", how: How::Pointer, from: "", to: "" },
            Show { label: "ActiveDeadlineSeconds", field: "ActiveDeadlineSeconds", how: How::Pointer, from: "", to: "" },
            Show { label: "DNSPolicy", field: "DNSPolicy", how: How::Plain, from: "", to: "" },
            Show { label: "NodeSelector", field: "NodeSelector", how: How::Map, from: "map[string]string{", to: "" },
            Show { label: "ServiceAccountName", field: "ServiceAccountName", how: How::Plain, from: "", to: "" },
            Show { label: "DeprecatedServiceAccount", field: "DeprecatedServiceAccount", how: How::Plain, from: "", to: "" },
            Show { label: "NodeName", field: "NodeName", how: How::Plain, from: "", to: "" },
            Show { label: "HostNetwork", field: "HostNetwork", how: How::Plain, from: "", to: "" },
            Show { label: "HostPID", field: "HostPID", how: How::Plain, from: "", to: "" },
            Show { label: "HostIPC", field: "HostIPC", how: How::Plain, from: "", to: "" },
            Show { label: "SecurityContext", field: "SecurityContext", how: How::Kept, from: "PodSecurityContext", to: "PodSecurityContext" },
            Show { label: "ImagePullSecrets", field: "ImagePullSecrets", how: How::List, from: "[]LocalObjectReference{", to: "LocalObjectReference LocalObjectReference" },
            Show { label: "Hostname", field: "Hostname", how: How::Plain, from: "", to: "" },
            Show { label: "Subdomain", field: "Subdomain", how: How::Plain, from: "", to: "" },
            Show { label: "Affinity", field: "Affinity", how: How::Kept, from: "Affinity", to: "Affinity" },
            Show { label: "SchedulerName", field: "SchedulerName", how: How::Plain, from: "", to: "" },
            Show { label: "InitContainers", field: "InitContainers", how: How::List, from: "[]Container{", to: "Container Container" },
            Show { label: "AutomountServiceAccountToken", field: "AutomountServiceAccountToken", how: How::Pointer, from: "", to: "" },
            Show { label: "Tolerations", field: "Tolerations", how: How::List, from: "[]Toleration{", to: "Toleration Toleration" },
            Show { label: "HostAliases", field: "HostAliases", how: How::List, from: "[]HostAlias{", to: "HostAlias HostAlias" },
            Show { label: "PriorityClassName", field: "PriorityClassName", how: How::Plain, from: "", to: "" },
            Show { label: "Priority", field: "Priority", how: How::Pointer, from: "", to: "" },
            Show { label: "DNSConfig", field: "DNSConfig", how: How::Kept, from: "PodDNSConfig", to: "PodDNSConfig" },
            Show { label: "ShareProcessNamespace", field: "ShareProcessNamespace", how: How::Pointer, from: "", to: "" },
            Show { label: "ReadinessGates", field: "ReadinessGates", how: How::List, from: "[]PodReadinessGate{", to: "PodReadinessGate PodReadinessGate" },
            Show { label: "RuntimeClassName", field: "RuntimeClassName", how: How::Pointer, from: "", to: "" },
            Show { label: "EnableServiceLinks", field: "EnableServiceLinks", how: How::Pointer, from: "", to: "" },
            Show { label: "PreemptionPolicy", field: "PreemptionPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "Overhead", field: "Overhead", how: How::Map, from: "ResourceList{", to: "" },
            Show { label: "TopologySpreadConstraints", field: "TopologySpreadConstraints", how: How::List, from: "[]TopologySpreadConstraint{", to: "TopologySpreadConstraint TopologySpreadConstraint" },
            Show { label: "EphemeralContainers", field: "EphemeralContainers", how: How::List, from: "[]EphemeralContainer{", to: "EphemeralContainer EphemeralContainer" },
            Show { label: "SetHostnameAsFQDN", field: "SetHostnameAsFQDN", how: How::Pointer, from: "", to: "" },
            Show { label: "OS", field: "OS", how: How::Kept, from: "PodOS", to: "PodOS" },
            Show { label: "HostUsers", field: "HostUsers", how: How::Pointer, from: "", to: "" },
            Show { label: "SchedulingGates", field: "SchedulingGates", how: How::List, from: "[]PodSchedulingGate{", to: "PodSchedulingGate PodSchedulingGate" },
            Show { label: "ResourceClaims", field: "ResourceClaims", how: How::List, from: "[]PodResourceClaim{", to: "PodResourceClaim PodResourceClaim" },
            Show { label: "Resources", field: "Resources", how: How::Kept, from: "ResourceRequirements", to: "ResourceRequirements" },
            Show { label: "HostnameOverride", field: "HostnameOverride", how: How::Pointer, from: "", to: "" },] },
    // 37
    Type { id: 37, name: "[]v1.Volume", kind: Kind::Slice, elem: 38, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 38
    Type { id: 38, name: "v1.Volume", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "VolumeSource", json: "", ty: 39, embedded: true },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "VolumeSource", field: "VolumeSource", how: How::Nested, from: "VolumeSource", to: "VolumeSource" },] },
    // 39
    Type { id: 39, name: "v1.VolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "HostPath", json: "hostPath", ty: 40, embedded: false },
            Field { name: "EmptyDir", json: "emptyDir", ty: 44, embedded: false },
            Field { name: "GCEPersistentDisk", json: "gcePersistentDisk", ty: 48, embedded: false },
            Field { name: "AWSElasticBlockStore", json: "awsElasticBlockStore", ty: 50, embedded: false },
            Field { name: "GitRepo", json: "gitRepo", ty: 52, embedded: false },
            Field { name: "Secret", json: "secret", ty: 54, embedded: false },
            Field { name: "NFS", json: "nfs", ty: 60, embedded: false },
            Field { name: "ISCSI", json: "iscsi", ty: 62, embedded: false },
            Field { name: "Glusterfs", json: "glusterfs", ty: 67, embedded: false },
            Field { name: "PersistentVolumeClaim", json: "persistentVolumeClaim", ty: 69, embedded: false },
            Field { name: "RBD", json: "rbd", ty: 71, embedded: false },
            Field { name: "FlexVolume", json: "flexVolume", ty: 73, embedded: false },
            Field { name: "Cinder", json: "cinder", ty: 75, embedded: false },
            Field { name: "CephFS", json: "cephfs", ty: 77, embedded: false },
            Field { name: "Flocker", json: "flocker", ty: 79, embedded: false },
            Field { name: "DownwardAPI", json: "downwardAPI", ty: 81, embedded: false },
            Field { name: "FC", json: "fc", ty: 89, embedded: false },
            Field { name: "AzureFile", json: "azureFile", ty: 91, embedded: false },
            Field { name: "ConfigMap", json: "configMap", ty: 93, embedded: false },
            Field { name: "VsphereVolume", json: "vsphereVolume", ty: 95, embedded: false },
            Field { name: "Quobyte", json: "quobyte", ty: 97, embedded: false },
            Field { name: "AzureDisk", json: "azureDisk", ty: 99, embedded: false },
            Field { name: "PhotonPersistentDisk", json: "photonPersistentDisk", ty: 105, embedded: false },
            Field { name: "Projected", json: "projected", ty: 107, embedded: false },
            Field { name: "PortworxVolume", json: "portworxVolume", ty: 128, embedded: false },
            Field { name: "ScaleIO", json: "scaleIO", ty: 130, embedded: false },
            Field { name: "StorageOS", json: "storageos", ty: 132, embedded: false },
            Field { name: "CSI", json: "csi", ty: 134, embedded: false },
            Field { name: "Ephemeral", json: "ephemeral", ty: 136, embedded: false },
            Field { name: "Image", json: "image", ty: 152, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "HostPath", field: "HostPath", how: How::Kept, from: "HostPathVolumeSource", to: "HostPathVolumeSource" },
            Show { label: "EmptyDir", field: "EmptyDir", how: How::Kept, from: "EmptyDirVolumeSource", to: "EmptyDirVolumeSource" },
            Show { label: "GCEPersistentDisk", field: "GCEPersistentDisk", how: How::Kept, from: "GCEPersistentDiskVolumeSource", to: "GCEPersistentDiskVolumeSource" },
            Show { label: "AWSElasticBlockStore", field: "AWSElasticBlockStore", how: How::Kept, from: "AWSElasticBlockStoreVolumeSource", to: "AWSElasticBlockStoreVolumeSource" },
            Show { label: "GitRepo", field: "GitRepo", how: How::Kept, from: "GitRepoVolumeSource", to: "GitRepoVolumeSource" },
            Show { label: "Secret", field: "Secret", how: How::Kept, from: "SecretVolumeSource", to: "SecretVolumeSource" },
            Show { label: "NFS", field: "NFS", how: How::Kept, from: "NFSVolumeSource", to: "NFSVolumeSource" },
            Show { label: "ISCSI", field: "ISCSI", how: How::Kept, from: "ISCSIVolumeSource", to: "ISCSIVolumeSource" },
            Show { label: "Glusterfs", field: "Glusterfs", how: How::Kept, from: "GlusterfsVolumeSource", to: "GlusterfsVolumeSource" },
            Show { label: "PersistentVolumeClaim", field: "PersistentVolumeClaim", how: How::Kept, from: "PersistentVolumeClaimVolumeSource", to: "PersistentVolumeClaimVolumeSource" },
            Show { label: "RBD", field: "RBD", how: How::Kept, from: "RBDVolumeSource", to: "RBDVolumeSource" },
            Show { label: "FlexVolume", field: "FlexVolume", how: How::Kept, from: "FlexVolumeSource", to: "FlexVolumeSource" },
            Show { label: "Cinder", field: "Cinder", how: How::Kept, from: "CinderVolumeSource", to: "CinderVolumeSource" },
            Show { label: "CephFS", field: "CephFS", how: How::Kept, from: "CephFSVolumeSource", to: "CephFSVolumeSource" },
            Show { label: "Flocker", field: "Flocker", how: How::Kept, from: "FlockerVolumeSource", to: "FlockerVolumeSource" },
            Show { label: "DownwardAPI", field: "DownwardAPI", how: How::Kept, from: "DownwardAPIVolumeSource", to: "DownwardAPIVolumeSource" },
            Show { label: "FC", field: "FC", how: How::Kept, from: "FCVolumeSource", to: "FCVolumeSource" },
            Show { label: "AzureFile", field: "AzureFile", how: How::Kept, from: "AzureFileVolumeSource", to: "AzureFileVolumeSource" },
            Show { label: "ConfigMap", field: "ConfigMap", how: How::Kept, from: "ConfigMapVolumeSource", to: "ConfigMapVolumeSource" },
            Show { label: "VsphereVolume", field: "VsphereVolume", how: How::Kept, from: "VsphereVirtualDiskVolumeSource", to: "VsphereVirtualDiskVolumeSource" },
            Show { label: "Quobyte", field: "Quobyte", how: How::Kept, from: "QuobyteVolumeSource", to: "QuobyteVolumeSource" },
            Show { label: "AzureDisk", field: "AzureDisk", how: How::Kept, from: "AzureDiskVolumeSource", to: "AzureDiskVolumeSource" },
            Show { label: "PhotonPersistentDisk", field: "PhotonPersistentDisk", how: How::Kept, from: "PhotonPersistentDiskVolumeSource", to: "PhotonPersistentDiskVolumeSource" },
            Show { label: "PortworxVolume", field: "PortworxVolume", how: How::Kept, from: "PortworxVolumeSource", to: "PortworxVolumeSource" },
            Show { label: "ScaleIO", field: "ScaleIO", how: How::Kept, from: "ScaleIOVolumeSource", to: "ScaleIOVolumeSource" },
            Show { label: "Projected", field: "Projected", how: How::Kept, from: "ProjectedVolumeSource", to: "ProjectedVolumeSource" },
            Show { label: "StorageOS", field: "StorageOS", how: How::Kept, from: "StorageOSVolumeSource", to: "StorageOSVolumeSource" },
            Show { label: "CSI", field: "CSI", how: How::Kept, from: "CSIVolumeSource", to: "CSIVolumeSource" },
            Show { label: "Ephemeral", field: "Ephemeral", how: How::Kept, from: "EphemeralVolumeSource", to: "EphemeralVolumeSource" },
            Show { label: "Image", field: "Image", how: How::Kept, from: "ImageVolumeSource", to: "ImageVolumeSource" },] },
    // 40
    Type { id: 40, name: "*v1.HostPathVolumeSource", kind: Kind::Pointer, elem: 41, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 41
    Type { id: 41, name: "v1.HostPathVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "Type", json: "type", ty: 42, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "Type", field: "Type", how: How::Pointer, from: "", to: "" },] },
    // 42
    Type { id: 42, name: "*v1.HostPathType", kind: Kind::Pointer, elem: 43, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 43
    Type { id: 43, name: "v1.HostPathType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 44
    Type { id: 44, name: "*v1.EmptyDirVolumeSource", kind: Kind::Pointer, elem: 45, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 45
    Type { id: 45, name: "v1.EmptyDirVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Medium", json: "medium", ty: 46, embedded: false },
            Field { name: "SizeLimit", json: "sizeLimit", ty: 47, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Medium", field: "Medium", how: How::Plain, from: "", to: "" },
            Show { label: "SizeLimit", field: "SizeLimit", how: How::Text, from: "Quantity", to: "resource.Quantity" },] },
    // 46
    Type { id: 46, name: "v1.StorageMedium", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 47
    Type { id: 47, name: "*resource.Quantity", kind: Kind::Pointer, elem: 13, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 48
    Type { id: 48, name: "*v1.GCEPersistentDiskVolumeSource", kind: Kind::Pointer, elem: 49, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 49
    Type { id: 49, name: "v1.GCEPersistentDiskVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "PDName", json: "pdName", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "Partition", json: "partition", ty: 17, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "PDName", field: "PDName", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "Partition", field: "Partition", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 50
    Type { id: 50, name: "*v1.AWSElasticBlockStoreVolumeSource", kind: Kind::Pointer, elem: 51, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 51
    Type { id: 51, name: "v1.AWSElasticBlockStoreVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeID", json: "volumeID", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "Partition", json: "partition", ty: 17, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeID", field: "VolumeID", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "Partition", field: "Partition", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 52
    Type { id: 52, name: "*v1.GitRepoVolumeSource", kind: Kind::Pointer, elem: 53, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 53
    Type { id: 53, name: "v1.GitRepoVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Repository", json: "repository", ty: 7, embedded: false },
            Field { name: "Revision", json: "revision", ty: 7, embedded: false },
            Field { name: "Directory", json: "directory", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Repository", field: "Repository", how: How::Plain, from: "", to: "" },
            Show { label: "Revision", field: "Revision", how: How::Plain, from: "", to: "" },
            Show { label: "Directory", field: "Directory", how: How::Plain, from: "", to: "" },] },
    // 54
    Type { id: 54, name: "*v1.SecretVolumeSource", kind: Kind::Pointer, elem: 55, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 55
    Type { id: 55, name: "v1.SecretVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "SecretName", json: "secretName", ty: 7, embedded: false },
            Field { name: "Items", json: "items", ty: 56, embedded: false },
            Field { name: "DefaultMode", json: "defaultMode", ty: 58, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "SecretName", field: "SecretName", how: How::Plain, from: "", to: "" },
            Show { label: "Items", field: "Items", how: How::List, from: "[]KeyToPath{", to: "KeyToPath KeyToPath" },
            Show { label: "DefaultMode", field: "DefaultMode", how: How::Pointer, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 56
    Type { id: 56, name: "[]v1.KeyToPath", kind: Kind::Slice, elem: 57, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 57
    Type { id: 57, name: "v1.KeyToPath", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "Mode", json: "mode", ty: 58, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "Mode", field: "Mode", how: How::Pointer, from: "", to: "" },] },
    // 58
    Type { id: 58, name: "*int32", kind: Kind::Pointer, elem: 17, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 59
    Type { id: 59, name: "*bool", kind: Kind::Pointer, elem: 1, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 60
    Type { id: 60, name: "*v1.NFSVolumeSource", kind: Kind::Pointer, elem: 61, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 61
    Type { id: 61, name: "v1.NFSVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Server", json: "server", ty: 7, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Server", field: "Server", how: How::Plain, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 62
    Type { id: 62, name: "*v1.ISCSIVolumeSource", kind: Kind::Pointer, elem: 63, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 63
    Type { id: 63, name: "v1.ISCSIVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "TargetPortal", json: "targetPortal", ty: 7, embedded: false },
            Field { name: "IQN", json: "iqn", ty: 7, embedded: false },
            Field { name: "Lun", json: "lun", ty: 17, embedded: false },
            Field { name: "ISCSIInterface", json: "iscsiInterface", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "Portals", json: "portals", ty: 29, embedded: false },
            Field { name: "DiscoveryCHAPAuth", json: "chapAuthDiscovery", ty: 1, embedded: false },
            Field { name: "SessionCHAPAuth", json: "chapAuthSession", ty: 1, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },
            Field { name: "InitiatorName", json: "initiatorName", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "TargetPortal", field: "TargetPortal", how: How::Plain, from: "", to: "" },
            Show { label: "IQN", field: "IQN", how: How::Plain, from: "", to: "" },
            Show { label: "Lun", field: "Lun", how: How::Plain, from: "", to: "" },
            Show { label: "ISCSIInterface", field: "ISCSIInterface", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "Portals", field: "Portals", how: How::Plain, from: "", to: "" },
            Show { label: "DiscoveryCHAPAuth", field: "DiscoveryCHAPAuth", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "SessionCHAPAuth", field: "SessionCHAPAuth", how: How::Plain, from: "", to: "" },
            Show { label: "InitiatorName", field: "InitiatorName", how: How::Pointer, from: "", to: "" },] },
    // 64
    Type { id: 64, name: "*v1.LocalObjectReference", kind: Kind::Pointer, elem: 65, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 65
    Type { id: 65, name: "v1.LocalObjectReference", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },] },
    // 66
    Type { id: 66, name: "*string", kind: Kind::Pointer, elem: 7, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 67
    Type { id: 67, name: "*v1.GlusterfsVolumeSource", kind: Kind::Pointer, elem: 68, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 68
    Type { id: 68, name: "v1.GlusterfsVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "EndpointsName", json: "endpoints", ty: 7, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "EndpointsName", field: "EndpointsName", how: How::Plain, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 69
    Type { id: 69, name: "*v1.PersistentVolumeClaimVolumeSource", kind: Kind::Pointer, elem: 70, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 70
    Type { id: 70, name: "v1.PersistentVolumeClaimVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ClaimName", json: "claimName", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ClaimName", field: "ClaimName", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 71
    Type { id: 71, name: "*v1.RBDVolumeSource", kind: Kind::Pointer, elem: 72, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 72
    Type { id: 72, name: "v1.RBDVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "CephMonitors", json: "monitors", ty: 29, embedded: false },
            Field { name: "RBDImage", json: "image", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "RBDPool", json: "pool", ty: 7, embedded: false },
            Field { name: "RadosUser", json: "user", ty: 7, embedded: false },
            Field { name: "Keyring", json: "keyring", ty: 7, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "CephMonitors", field: "CephMonitors", how: How::Plain, from: "", to: "" },
            Show { label: "RBDImage", field: "RBDImage", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "RBDPool", field: "RBDPool", how: How::Plain, from: "", to: "" },
            Show { label: "RadosUser", field: "RadosUser", how: How::Plain, from: "", to: "" },
            Show { label: "Keyring", field: "Keyring", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 73
    Type { id: 73, name: "*v1.FlexVolumeSource", kind: Kind::Pointer, elem: 74, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 74
    Type { id: 74, name: "v1.FlexVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Driver", json: "driver", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "Options", json: "options", ty: 8, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Driver", field: "Driver", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "Options", field: "Options", how: How::Map, from: "map[string]string{", to: "" },] },
    // 75
    Type { id: 75, name: "*v1.CinderVolumeSource", kind: Kind::Pointer, elem: 76, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 76
    Type { id: 76, name: "v1.CinderVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeID", json: "volumeID", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeID", field: "VolumeID", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },] },
    // 77
    Type { id: 77, name: "*v1.CephFSVolumeSource", kind: Kind::Pointer, elem: 78, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 78
    Type { id: 78, name: "v1.CephFSVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Monitors", json: "monitors", ty: 29, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "User", json: "user", ty: 7, embedded: false },
            Field { name: "SecretFile", json: "secretFile", ty: 7, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Monitors", field: "Monitors", how: How::Plain, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "User", field: "User", how: How::Plain, from: "", to: "" },
            Show { label: "SecretFile", field: "SecretFile", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 79
    Type { id: 79, name: "*v1.FlockerVolumeSource", kind: Kind::Pointer, elem: 80, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 80
    Type { id: 80, name: "v1.FlockerVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "DatasetName", json: "datasetName", ty: 7, embedded: false },
            Field { name: "DatasetUUID", json: "datasetUUID", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "DatasetName", field: "DatasetName", how: How::Plain, from: "", to: "" },
            Show { label: "DatasetUUID", field: "DatasetUUID", how: How::Plain, from: "", to: "" },] },
    // 81
    Type { id: 81, name: "*v1.DownwardAPIVolumeSource", kind: Kind::Pointer, elem: 82, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 82
    Type { id: 82, name: "v1.DownwardAPIVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Items", json: "items", ty: 83, embedded: false },
            Field { name: "DefaultMode", json: "defaultMode", ty: 58, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Items", field: "Items", how: How::List, from: "[]DownwardAPIVolumeFile{", to: "DownwardAPIVolumeFile DownwardAPIVolumeFile" },
            Show { label: "DefaultMode", field: "DefaultMode", how: How::Pointer, from: "", to: "" },] },
    // 83
    Type { id: 83, name: "[]v1.DownwardAPIVolumeFile", kind: Kind::Slice, elem: 84, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 84
    Type { id: 84, name: "v1.DownwardAPIVolumeFile", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "FieldRef", json: "fieldRef", ty: 85, embedded: false },
            Field { name: "ResourceFieldRef", json: "resourceFieldRef", ty: 87, embedded: false },
            Field { name: "Mode", json: "mode", ty: 58, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "FieldRef", field: "FieldRef", how: How::Kept, from: "ObjectFieldSelector", to: "ObjectFieldSelector" },
            Show { label: "ResourceFieldRef", field: "ResourceFieldRef", how: How::Kept, from: "ResourceFieldSelector", to: "ResourceFieldSelector" },
            Show { label: "Mode", field: "Mode", how: How::Pointer, from: "", to: "" },] },
    // 85
    Type { id: 85, name: "*v1.ObjectFieldSelector", kind: Kind::Pointer, elem: 86, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 86
    Type { id: 86, name: "v1.ObjectFieldSelector", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "APIVersion", json: "apiVersion", ty: 7, embedded: false },
            Field { name: "FieldPath", json: "fieldPath", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "APIVersion", field: "APIVersion", how: How::Plain, from: "", to: "" },
            Show { label: "FieldPath", field: "FieldPath", how: How::Plain, from: "", to: "" },] },
    // 87
    Type { id: 87, name: "*v1.ResourceFieldSelector", kind: Kind::Pointer, elem: 88, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 88
    Type { id: 88, name: "v1.ResourceFieldSelector", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ContainerName", json: "containerName", ty: 7, embedded: false },
            Field { name: "Resource", json: "resource", ty: 7, embedded: false },
            Field { name: "Divisor", json: "divisor", ty: 13, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ContainerName", field: "ContainerName", how: How::Plain, from: "", to: "" },
            Show { label: "Resource", field: "Resource", how: How::Plain, from: "", to: "" },
            Show { label: "Divisor", field: "Divisor", how: How::TextNested, from: "Quantity", to: "resource.Quantity" },] },
    // 89
    Type { id: 89, name: "*v1.FCVolumeSource", kind: Kind::Pointer, elem: 90, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 90
    Type { id: 90, name: "v1.FCVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "TargetWWNs", json: "targetWWNs", ty: 29, embedded: false },
            Field { name: "Lun", json: "lun", ty: 58, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "WWIDs", json: "wwids", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "TargetWWNs", field: "TargetWWNs", how: How::Plain, from: "", to: "" },
            Show { label: "Lun", field: "Lun", how: How::Pointer, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "WWIDs", field: "WWIDs", how: How::Plain, from: "", to: "" },] },
    // 91
    Type { id: 91, name: "*v1.AzureFileVolumeSource", kind: Kind::Pointer, elem: 92, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 92
    Type { id: 92, name: "v1.AzureFileVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "SecretName", json: "secretName", ty: 7, embedded: false },
            Field { name: "ShareName", json: "shareName", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "SecretName", field: "SecretName", how: How::Plain, from: "", to: "" },
            Show { label: "ShareName", field: "ShareName", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 93
    Type { id: 93, name: "*v1.ConfigMapVolumeSource", kind: Kind::Pointer, elem: 94, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 94
    Type { id: 94, name: "v1.ConfigMapVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Items", json: "items", ty: 56, embedded: false },
            Field { name: "DefaultMode", json: "defaultMode", ty: 58, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Items", field: "Items", how: How::List, from: "[]KeyToPath{", to: "KeyToPath KeyToPath" },
            Show { label: "DefaultMode", field: "DefaultMode", how: How::Pointer, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 95
    Type { id: 95, name: "*v1.VsphereVirtualDiskVolumeSource", kind: Kind::Pointer, elem: 96, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 96
    Type { id: 96, name: "v1.VsphereVirtualDiskVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumePath", json: "volumePath", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "StoragePolicyName", json: "storagePolicyName", ty: 7, embedded: false },
            Field { name: "StoragePolicyID", json: "storagePolicyID", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumePath", field: "VolumePath", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "StoragePolicyName", field: "StoragePolicyName", how: How::Plain, from: "", to: "" },
            Show { label: "StoragePolicyID", field: "StoragePolicyID", how: How::Plain, from: "", to: "" },] },
    // 97
    Type { id: 97, name: "*v1.QuobyteVolumeSource", kind: Kind::Pointer, elem: 98, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 98
    Type { id: 98, name: "v1.QuobyteVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Registry", json: "registry", ty: 7, embedded: false },
            Field { name: "Volume", json: "volume", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "User", json: "user", ty: 7, embedded: false },
            Field { name: "Group", json: "group", ty: 7, embedded: false },
            Field { name: "Tenant", json: "tenant", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Registry", field: "Registry", how: How::Plain, from: "", to: "" },
            Show { label: "Volume", field: "Volume", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "User", field: "User", how: How::Plain, from: "", to: "" },
            Show { label: "Group", field: "Group", how: How::Plain, from: "", to: "" },
            Show { label: "Tenant", field: "Tenant", how: How::Plain, from: "", to: "" },] },
    // 99
    Type { id: 99, name: "*v1.AzureDiskVolumeSource", kind: Kind::Pointer, elem: 100, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 100
    Type { id: 100, name: "v1.AzureDiskVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "DiskName", json: "diskName", ty: 7, embedded: false },
            Field { name: "DataDiskURI", json: "diskURI", ty: 7, embedded: false },
            Field { name: "CachingMode", json: "cachingMode", ty: 101, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 66, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 59, embedded: false },
            Field { name: "Kind", json: "kind", ty: 103, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "DiskName", field: "DiskName", how: How::Plain, from: "", to: "" },
            Show { label: "DataDiskURI", field: "DataDiskURI", how: How::Plain, from: "", to: "" },
            Show { label: "CachingMode", field: "CachingMode", how: How::Pointer, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Pointer, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Pointer, from: "", to: "" },
            Show { label: "Kind", field: "Kind", how: How::Pointer, from: "", to: "" },] },
    // 101
    Type { id: 101, name: "*v1.AzureDataDiskCachingMode", kind: Kind::Pointer, elem: 102, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 102
    Type { id: 102, name: "v1.AzureDataDiskCachingMode", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 103
    Type { id: 103, name: "*v1.AzureDataDiskKind", kind: Kind::Pointer, elem: 104, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 104
    Type { id: 104, name: "v1.AzureDataDiskKind", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 105
    Type { id: 105, name: "*v1.PhotonPersistentDiskVolumeSource", kind: Kind::Pointer, elem: 106, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 106
    Type { id: 106, name: "v1.PhotonPersistentDiskVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "PdID", json: "pdID", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "PdID", field: "PdID", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },] },
    // 107
    Type { id: 107, name: "*v1.ProjectedVolumeSource", kind: Kind::Pointer, elem: 108, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 108
    Type { id: 108, name: "v1.ProjectedVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Sources", json: "sources", ty: 109, embedded: false },
            Field { name: "DefaultMode", json: "defaultMode", ty: 58, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Sources", field: "Sources", how: How::List, from: "[]VolumeProjection{", to: "VolumeProjection VolumeProjection" },
            Show { label: "DefaultMode", field: "DefaultMode", how: How::Pointer, from: "", to: "" },] },
    // 109
    Type { id: 109, name: "[]v1.VolumeProjection", kind: Kind::Slice, elem: 110, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 110
    Type { id: 110, name: "v1.VolumeProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Secret", json: "secret", ty: 111, embedded: false },
            Field { name: "DownwardAPI", json: "downwardAPI", ty: 113, embedded: false },
            Field { name: "ConfigMap", json: "configMap", ty: 115, embedded: false },
            Field { name: "ServiceAccountToken", json: "serviceAccountToken", ty: 117, embedded: false },
            Field { name: "ClusterTrustBundle", json: "clusterTrustBundle", ty: 119, embedded: false },
            Field { name: "PodCertificate", json: "podCertificate", ty: 126, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Secret", field: "Secret", how: How::Kept, from: "SecretProjection", to: "SecretProjection" },
            Show { label: "DownwardAPI", field: "DownwardAPI", how: How::Kept, from: "DownwardAPIProjection", to: "DownwardAPIProjection" },
            Show { label: "ConfigMap", field: "ConfigMap", how: How::Kept, from: "ConfigMapProjection", to: "ConfigMapProjection" },
            Show { label: "ServiceAccountToken", field: "ServiceAccountToken", how: How::Kept, from: "ServiceAccountTokenProjection", to: "ServiceAccountTokenProjection" },
            Show { label: "ClusterTrustBundle", field: "ClusterTrustBundle", how: How::Kept, from: "ClusterTrustBundleProjection", to: "ClusterTrustBundleProjection" },
            Show { label: "PodCertificate", field: "PodCertificate", how: How::Kept, from: "PodCertificateProjection", to: "PodCertificateProjection" },] },
    // 111
    Type { id: 111, name: "*v1.SecretProjection", kind: Kind::Pointer, elem: 112, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 112
    Type { id: 112, name: "v1.SecretProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Items", json: "items", ty: 56, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Items", field: "Items", how: How::List, from: "[]KeyToPath{", to: "KeyToPath KeyToPath" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 113
    Type { id: 113, name: "*v1.DownwardAPIProjection", kind: Kind::Pointer, elem: 114, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 114
    Type { id: 114, name: "v1.DownwardAPIProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Items", json: "items", ty: 83, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Items", field: "Items", how: How::List, from: "[]DownwardAPIVolumeFile{", to: "DownwardAPIVolumeFile DownwardAPIVolumeFile" },] },
    // 115
    Type { id: 115, name: "*v1.ConfigMapProjection", kind: Kind::Pointer, elem: 116, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 116
    Type { id: 116, name: "v1.ConfigMapProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Items", json: "items", ty: 56, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Items", field: "Items", how: How::List, from: "[]KeyToPath{", to: "KeyToPath KeyToPath" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 117
    Type { id: 117, name: "*v1.ServiceAccountTokenProjection", kind: Kind::Pointer, elem: 118, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 118
    Type { id: 118, name: "v1.ServiceAccountTokenProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Audience", json: "audience", ty: 7, embedded: false },
            Field { name: "ExpirationSeconds", json: "expirationSeconds", ty: 28, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Audience", field: "Audience", how: How::Plain, from: "", to: "" },
            Show { label: "ExpirationSeconds", field: "ExpirationSeconds", how: How::Pointer, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },] },
    // 119
    Type { id: 119, name: "*v1.ClusterTrustBundleProjection", kind: Kind::Pointer, elem: 120, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 120
    Type { id: 120, name: "v1.ClusterTrustBundleProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 66, embedded: false },
            Field { name: "SignerName", json: "signerName", ty: 66, embedded: false },
            Field { name: "LabelSelector", json: "labelSelector", ty: 121, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Pointer, from: "", to: "" },
            Show { label: "SignerName", field: "SignerName", how: How::Pointer, from: "", to: "" },
            Show { label: "LabelSelector", field: "LabelSelector", how: How::Text, from: "LabelSelector", to: "v1.LabelSelector" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 121
    Type { id: 121, name: "*v1.LabelSelector", kind: Kind::Pointer, elem: 122, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 122
    Type { id: 122, name: "v1.LabelSelector", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "MatchLabels", json: "matchLabels", ty: 8, embedded: false },
            Field { name: "MatchExpressions", json: "matchExpressions", ty: 123, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "MatchLabels", field: "MatchLabels", how: How::Map, from: "map[string]string{", to: "" },
            Show { label: "MatchExpressions", field: "MatchExpressions", how: How::List, from: "[]LabelSelectorRequirement{", to: "LabelSelectorRequirement LabelSelectorRequirement" },] },
    // 123
    Type { id: 123, name: "[]v1.LabelSelectorRequirement", kind: Kind::Slice, elem: 124, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 124
    Type { id: 124, name: "v1.LabelSelectorRequirement", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Operator", json: "operator", ty: 125, embedded: false },
            Field { name: "Values", json: "values", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Operator", field: "Operator", how: How::Plain, from: "", to: "" },
            Show { label: "Values", field: "Values", how: How::Plain, from: "", to: "" },] },
    // 125
    Type { id: 125, name: "v1.LabelSelectorOperator", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 126
    Type { id: 126, name: "*v1.PodCertificateProjection", kind: Kind::Pointer, elem: 127, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 127
    Type { id: 127, name: "v1.PodCertificateProjection", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "SignerName", json: "signerName", ty: 7, embedded: false },
            Field { name: "KeyType", json: "keyType", ty: 7, embedded: false },
            Field { name: "MaxExpirationSeconds", json: "maxExpirationSeconds", ty: 58, embedded: false },
            Field { name: "CredentialBundlePath", json: "credentialBundlePath", ty: 7, embedded: false },
            Field { name: "KeyPath", json: "keyPath", ty: 7, embedded: false },
            Field { name: "CertificateChainPath", json: "certificateChainPath", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "SignerName", field: "SignerName", how: How::Plain, from: "", to: "" },
            Show { label: "KeyType", field: "KeyType", how: How::Plain, from: "", to: "" },
            Show { label: "MaxExpirationSeconds", field: "MaxExpirationSeconds", how: How::Pointer, from: "", to: "" },
            Show { label: "CredentialBundlePath", field: "CredentialBundlePath", how: How::Plain, from: "", to: "" },
            Show { label: "KeyPath", field: "KeyPath", how: How::Plain, from: "", to: "" },
            Show { label: "CertificateChainPath", field: "CertificateChainPath", how: How::Plain, from: "", to: "" },] },
    // 128
    Type { id: 128, name: "*v1.PortworxVolumeSource", kind: Kind::Pointer, elem: 129, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 129
    Type { id: 129, name: "v1.PortworxVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeID", json: "volumeID", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeID", field: "VolumeID", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 130
    Type { id: 130, name: "*v1.ScaleIOVolumeSource", kind: Kind::Pointer, elem: 131, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 131
    Type { id: 131, name: "v1.ScaleIOVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Gateway", json: "gateway", ty: 7, embedded: false },
            Field { name: "System", json: "system", ty: 7, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },
            Field { name: "SSLEnabled", json: "sslEnabled", ty: 1, embedded: false },
            Field { name: "ProtectionDomain", json: "protectionDomain", ty: 7, embedded: false },
            Field { name: "StoragePool", json: "storagePool", ty: 7, embedded: false },
            Field { name: "StorageMode", json: "storageMode", ty: 7, embedded: false },
            Field { name: "VolumeName", json: "volumeName", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Gateway", field: "Gateway", how: How::Plain, from: "", to: "" },
            Show { label: "System", field: "System", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "SSLEnabled", field: "SSLEnabled", how: How::Plain, from: "", to: "" },
            Show { label: "ProtectionDomain", field: "ProtectionDomain", how: How::Plain, from: "", to: "" },
            Show { label: "StoragePool", field: "StoragePool", how: How::Plain, from: "", to: "" },
            Show { label: "StorageMode", field: "StorageMode", how: How::Plain, from: "", to: "" },
            Show { label: "VolumeName", field: "VolumeName", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },] },
    // 132
    Type { id: 132, name: "*v1.StorageOSVolumeSource", kind: Kind::Pointer, elem: 133, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 133
    Type { id: 133, name: "v1.StorageOSVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeName", json: "volumeName", ty: 7, embedded: false },
            Field { name: "VolumeNamespace", json: "volumeNamespace", ty: 7, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 64, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeName", field: "VolumeName", how: How::Plain, from: "", to: "" },
            Show { label: "VolumeNamespace", field: "VolumeNamespace", how: How::Plain, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },] },
    // 134
    Type { id: 134, name: "*v1.CSIVolumeSource", kind: Kind::Pointer, elem: 135, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 135
    Type { id: 135, name: "v1.CSIVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Driver", json: "driver", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 59, embedded: false },
            Field { name: "FSType", json: "fsType", ty: 66, embedded: false },
            Field { name: "VolumeAttributes", json: "volumeAttributes", ty: 8, embedded: false },
            Field { name: "NodePublishSecretRef", json: "nodePublishSecretRef", ty: 64, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Driver", field: "Driver", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Pointer, from: "", to: "" },
            Show { label: "FSType", field: "FSType", how: How::Pointer, from: "", to: "" },
            Show { label: "VolumeAttributes", field: "VolumeAttributes", how: How::Map, from: "map[string]string{", to: "" },
            Show { label: "NodePublishSecretRef", field: "NodePublishSecretRef", how: How::Kept, from: "LocalObjectReference", to: "LocalObjectReference" },] },
    // 136
    Type { id: 136, name: "*v1.EphemeralVolumeSource", kind: Kind::Pointer, elem: 137, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 137
    Type { id: 137, name: "v1.EphemeralVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeClaimTemplate", json: "volumeClaimTemplate", ty: 138, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeClaimTemplate", field: "VolumeClaimTemplate", how: How::Kept, from: "PersistentVolumeClaimTemplate", to: "PersistentVolumeClaimTemplate" },] },
    // 138
    Type { id: 138, name: "*v1.PersistentVolumeClaimTemplate", kind: Kind::Pointer, elem: 139, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 139
    Type { id: 139, name: "v1.PersistentVolumeClaimTemplate", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ObjectMeta", json: "metadata", ty: 25, embedded: true },
            Field { name: "Spec", json: "spec", ty: 140, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "GetAnnotations", "GetCreationTimestamp", "GetDeletionGracePeriodSeconds", "GetDeletionTimestamp", "GetFinalizers", "GetGenerateName", "GetGeneration", "GetLabels", "GetManagedFields", "GetName", "GetNamespace", "GetObjectMeta", "GetOwnerReferences", "GetResourceVersion", "GetSelfLink", "GetUID", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "SetAnnotations", "SetCreationTimestamp", "SetDeletionGracePeriodSeconds", "SetDeletionTimestamp", "SetFinalizers", "SetGenerateName", "SetGeneration", "SetLabels", "SetManagedFields", "SetName", "SetNamespace", "SetOwnerReferences", "SetResourceVersion", "SetSelfLink", "SetUID", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ObjectMeta", field: "ObjectMeta", how: How::TextNested, from: "ObjectMeta", to: "v1.ObjectMeta" },
            Show { label: "Spec", field: "Spec", how: How::Nested, from: "PersistentVolumeClaimSpec", to: "PersistentVolumeClaimSpec" },] },
    // 140
    Type { id: 140, name: "v1.PersistentVolumeClaimSpec", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "AccessModes", json: "accessModes", ty: 141, embedded: false },
            Field { name: "Selector", json: "selector", ty: 121, embedded: false },
            Field { name: "Resources", json: "resources", ty: 143, embedded: false },
            Field { name: "VolumeName", json: "volumeName", ty: 7, embedded: false },
            Field { name: "StorageClassName", json: "storageClassName", ty: 66, embedded: false },
            Field { name: "VolumeMode", json: "volumeMode", ty: 146, embedded: false },
            Field { name: "DataSource", json: "dataSource", ty: 148, embedded: false },
            Field { name: "DataSourceRef", json: "dataSourceRef", ty: 150, embedded: false },
            Field { name: "VolumeAttributesClassName", json: "volumeAttributesClassName", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "AccessModes", field: "AccessModes", how: How::Plain, from: "", to: "" },
            Show { label: "Resources", field: "Resources", how: How::Nested, from: "VolumeResourceRequirements", to: "VolumeResourceRequirements" },
            Show { label: "VolumeName", field: "VolumeName", how: How::Plain, from: "", to: "" },
            Show { label: "Selector", field: "Selector", how: How::Text, from: "LabelSelector", to: "v1.LabelSelector" },
            Show { label: "StorageClassName", field: "StorageClassName", how: How::Pointer, from: "", to: "" },
            Show { label: "VolumeMode", field: "VolumeMode", how: How::Pointer, from: "", to: "" },
            Show { label: "DataSource", field: "DataSource", how: How::Kept, from: "TypedLocalObjectReference", to: "TypedLocalObjectReference" },
            Show { label: "DataSourceRef", field: "DataSourceRef", how: How::Kept, from: "TypedObjectReference", to: "TypedObjectReference" },
            Show { label: "VolumeAttributesClassName", field: "VolumeAttributesClassName", how: How::Pointer, from: "", to: "" },] },
    // 141
    Type { id: 141, name: "[]v1.PersistentVolumeAccessMode", kind: Kind::Slice, elem: 142, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 142
    Type { id: 142, name: "v1.PersistentVolumeAccessMode", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 143
    Type { id: 143, name: "v1.VolumeResourceRequirements", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Limits", json: "limits", ty: 144, embedded: false },
            Field { name: "Requests", json: "requests", ty: 144, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Limits", field: "Limits", how: How::Map, from: "ResourceList{", to: "" },
            Show { label: "Requests", field: "Requests", how: How::Map, from: "ResourceList{", to: "" },] },
    // 144
    Type { id: 144, name: "v1.ResourceList", kind: Kind::Map, elem: 13, key: 145, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &["Cpu", "DeepCopy", "DeepCopyInto", "Memory", "Name", "Pods", "Storage", "StorageEphemeral", ],
        show: &[] },
    // 145
    Type { id: 145, name: "v1.ResourceName", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &["String", ],
        show: &[] },
    // 146
    Type { id: 146, name: "*v1.PersistentVolumeMode", kind: Kind::Pointer, elem: 147, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 147
    Type { id: 147, name: "v1.PersistentVolumeMode", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 148
    Type { id: 148, name: "*v1.TypedLocalObjectReference", kind: Kind::Pointer, elem: 149, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 149
    Type { id: 149, name: "v1.TypedLocalObjectReference", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "APIGroup", json: "apiGroup", ty: 66, embedded: false },
            Field { name: "Kind", json: "kind", ty: 7, embedded: false },
            Field { name: "Name", json: "name", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "APIGroup", field: "APIGroup", how: How::Pointer, from: "", to: "" },
            Show { label: "Kind", field: "Kind", how: How::Plain, from: "", to: "" },
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },] },
    // 150
    Type { id: 150, name: "*v1.TypedObjectReference", kind: Kind::Pointer, elem: 151, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 151
    Type { id: 151, name: "v1.TypedObjectReference", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "APIGroup", json: "apiGroup", ty: 66, embedded: false },
            Field { name: "Kind", json: "kind", ty: 7, embedded: false },
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Namespace", json: "namespace", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "APIGroup", field: "APIGroup", how: How::Pointer, from: "", to: "" },
            Show { label: "Kind", field: "Kind", how: How::Plain, from: "", to: "" },
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Namespace", field: "Namespace", how: How::Pointer, from: "", to: "" },] },
    // 152
    Type { id: 152, name: "*v1.ImageVolumeSource", kind: Kind::Pointer, elem: 153, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 153
    Type { id: 153, name: "v1.ImageVolumeSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Reference", json: "reference", ty: 7, embedded: false },
            Field { name: "PullPolicy", json: "pullPolicy", ty: 154, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Reference", field: "Reference", how: How::Plain, from: "", to: "" },
            Show { label: "PullPolicy", field: "PullPolicy", how: How::Plain, from: "", to: "" },] },
    // 154
    Type { id: 154, name: "v1.PullPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 155
    Type { id: 155, name: "[]v1.Container", kind: Kind::Slice, elem: 156, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 156
    Type { id: 156, name: "v1.Container", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Image", json: "image", ty: 7, embedded: false },
            Field { name: "Command", json: "command", ty: 29, embedded: false },
            Field { name: "Args", json: "args", ty: 29, embedded: false },
            Field { name: "WorkingDir", json: "workingDir", ty: 7, embedded: false },
            Field { name: "Ports", json: "ports", ty: 157, embedded: false },
            Field { name: "EnvFrom", json: "envFrom", ty: 160, embedded: false },
            Field { name: "Env", json: "env", ty: 166, embedded: false },
            Field { name: "Resources", json: "resources", ty: 176, embedded: false },
            Field { name: "ResizePolicy", json: "resizePolicy", ty: 179, embedded: false },
            Field { name: "RestartPolicy", json: "restartPolicy", ty: 182, embedded: false },
            Field { name: "RestartPolicyRules", json: "restartPolicyRules", ty: 184, embedded: false },
            Field { name: "VolumeMounts", json: "volumeMounts", ty: 191, embedded: false },
            Field { name: "VolumeDevices", json: "volumeDevices", ty: 197, embedded: false },
            Field { name: "LivenessProbe", json: "livenessProbe", ty: 199, embedded: false },
            Field { name: "ReadinessProbe", json: "readinessProbe", ty: 199, embedded: false },
            Field { name: "StartupProbe", json: "startupProbe", ty: 199, embedded: false },
            Field { name: "Lifecycle", json: "lifecycle", ty: 215, embedded: false },
            Field { name: "TerminationMessagePath", json: "terminationMessagePath", ty: 7, embedded: false },
            Field { name: "TerminationMessagePolicy", json: "terminationMessagePolicy", ty: 223, embedded: false },
            Field { name: "ImagePullPolicy", json: "imagePullPolicy", ty: 154, embedded: false },
            Field { name: "SecurityContext", json: "securityContext", ty: 224, embedded: false },
            Field { name: "Stdin", json: "stdin", ty: 1, embedded: false },
            Field { name: "StdinOnce", json: "stdinOnce", ty: 1, embedded: false },
            Field { name: "TTY", json: "tty", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Image", field: "Image", how: How::Plain, from: "", to: "" },
            Show { label: "Command", field: "Command", how: How::Plain, from: "", to: "" },
            Show { label: "Args", field: "Args", how: How::Plain, from: "", to: "" },
            Show { label: "WorkingDir", field: "WorkingDir", how: How::Plain, from: "", to: "" },
            Show { label: "Ports", field: "Ports", how: How::List, from: "[]ContainerPort{", to: "ContainerPort ContainerPort" },
            Show { label: "Env", field: "Env", how: How::List, from: "[]EnvVar{", to: "EnvVar EnvVar" },
            Show { label: "Resources", field: "Resources", how: How::Nested, from: "ResourceRequirements", to: "ResourceRequirements" },
            Show { label: "VolumeMounts", field: "VolumeMounts", how: How::List, from: "[]VolumeMount{", to: "VolumeMount VolumeMount" },
            Show { label: "LivenessProbe", field: "LivenessProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "ReadinessProbe", field: "ReadinessProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "Lifecycle", field: "Lifecycle", how: How::Kept, from: "Lifecycle", to: "Lifecycle" },
            Show { label: "TerminationMessagePath", field: "TerminationMessagePath", how: How::Plain, from: "", to: "" },
            Show { label: "ImagePullPolicy", field: "ImagePullPolicy", how: How::Plain, from: "", to: "" },
            Show { label: "SecurityContext", field: "SecurityContext", how: How::Kept, from: "SecurityContext", to: "SecurityContext" },
            Show { label: "Stdin", field: "Stdin", how: How::Plain, from: "", to: "" },
            Show { label: "StdinOnce", field: "StdinOnce", how: How::Plain, from: "", to: "" },
            Show { label: "TTY", field: "TTY", how: How::Plain, from: "", to: "" },
            Show { label: "EnvFrom", field: "EnvFrom", how: How::List, from: "[]EnvFromSource{", to: "EnvFromSource EnvFromSource" },
            Show { label: "TerminationMessagePolicy", field: "TerminationMessagePolicy", how: How::Plain, from: "", to: "" },
            Show { label: "VolumeDevices", field: "VolumeDevices", how: How::List, from: "[]VolumeDevice{", to: "VolumeDevice VolumeDevice" },
            Show { label: "StartupProbe", field: "StartupProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "ResizePolicy", field: "ResizePolicy", how: How::List, from: "[]ContainerResizePolicy{", to: "ContainerResizePolicy ContainerResizePolicy" },
            Show { label: "RestartPolicy", field: "RestartPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "RestartPolicyRules", field: "RestartPolicyRules", how: How::List, from: "[]ContainerRestartRule{", to: "ContainerRestartRule ContainerRestartRule" },] },
    // 157
    Type { id: 157, name: "[]v1.ContainerPort", kind: Kind::Slice, elem: 158, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 158
    Type { id: 158, name: "v1.ContainerPort", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "HostPort", json: "hostPort", ty: 17, embedded: false },
            Field { name: "ContainerPort", json: "containerPort", ty: 17, embedded: false },
            Field { name: "Protocol", json: "protocol", ty: 159, embedded: false },
            Field { name: "HostIP", json: "hostIP", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "HostPort", field: "HostPort", how: How::Plain, from: "", to: "" },
            Show { label: "ContainerPort", field: "ContainerPort", how: How::Plain, from: "", to: "" },
            Show { label: "Protocol", field: "Protocol", how: How::Plain, from: "", to: "" },
            Show { label: "HostIP", field: "HostIP", how: How::Plain, from: "", to: "" },] },
    // 159
    Type { id: 159, name: "v1.Protocol", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 160
    Type { id: 160, name: "[]v1.EnvFromSource", kind: Kind::Slice, elem: 161, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 161
    Type { id: 161, name: "v1.EnvFromSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Prefix", json: "prefix", ty: 7, embedded: false },
            Field { name: "ConfigMapRef", json: "configMapRef", ty: 162, embedded: false },
            Field { name: "SecretRef", json: "secretRef", ty: 164, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Prefix", field: "Prefix", how: How::Plain, from: "", to: "" },
            Show { label: "ConfigMapRef", field: "ConfigMapRef", how: How::Kept, from: "ConfigMapEnvSource", to: "ConfigMapEnvSource" },
            Show { label: "SecretRef", field: "SecretRef", how: How::Kept, from: "SecretEnvSource", to: "SecretEnvSource" },] },
    // 162
    Type { id: 162, name: "*v1.ConfigMapEnvSource", kind: Kind::Pointer, elem: 163, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 163
    Type { id: 163, name: "v1.ConfigMapEnvSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 164
    Type { id: 164, name: "*v1.SecretEnvSource", kind: Kind::Pointer, elem: 165, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 165
    Type { id: 165, name: "v1.SecretEnvSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 166
    Type { id: 166, name: "[]v1.EnvVar", kind: Kind::Slice, elem: 167, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 167
    Type { id: 167, name: "v1.EnvVar", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Value", json: "value", ty: 7, embedded: false },
            Field { name: "ValueFrom", json: "valueFrom", ty: 168, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Plain, from: "", to: "" },
            Show { label: "ValueFrom", field: "ValueFrom", how: How::Kept, from: "EnvVarSource", to: "EnvVarSource" },] },
    // 168
    Type { id: 168, name: "*v1.EnvVarSource", kind: Kind::Pointer, elem: 169, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 169
    Type { id: 169, name: "v1.EnvVarSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "FieldRef", json: "fieldRef", ty: 85, embedded: false },
            Field { name: "ResourceFieldRef", json: "resourceFieldRef", ty: 87, embedded: false },
            Field { name: "ConfigMapKeyRef", json: "configMapKeyRef", ty: 170, embedded: false },
            Field { name: "SecretKeyRef", json: "secretKeyRef", ty: 172, embedded: false },
            Field { name: "FileKeyRef", json: "fileKeyRef", ty: 174, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "FieldRef", field: "FieldRef", how: How::Kept, from: "ObjectFieldSelector", to: "ObjectFieldSelector" },
            Show { label: "ResourceFieldRef", field: "ResourceFieldRef", how: How::Kept, from: "ResourceFieldSelector", to: "ResourceFieldSelector" },
            Show { label: "ConfigMapKeyRef", field: "ConfigMapKeyRef", how: How::Kept, from: "ConfigMapKeySelector", to: "ConfigMapKeySelector" },
            Show { label: "SecretKeyRef", field: "SecretKeyRef", how: How::Kept, from: "SecretKeySelector", to: "SecretKeySelector" },
            Show { label: "FileKeyRef", field: "FileKeyRef", how: How::Kept, from: "FileKeySelector", to: "FileKeySelector" },] },
    // 170
    Type { id: 170, name: "*v1.ConfigMapKeySelector", kind: Kind::Pointer, elem: 171, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 171
    Type { id: 171, name: "v1.ConfigMapKeySelector", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 172
    Type { id: 172, name: "*v1.SecretKeySelector", kind: Kind::Pointer, elem: 173, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 173
    Type { id: 173, name: "v1.SecretKeySelector", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LocalObjectReference", json: "", ty: 65, embedded: true },
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LocalObjectReference", field: "LocalObjectReference", how: How::Nested, from: "LocalObjectReference", to: "LocalObjectReference" },
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 174
    Type { id: 174, name: "*v1.FileKeySelector", kind: Kind::Pointer, elem: 175, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 175
    Type { id: 175, name: "v1.FileKeySelector", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "VolumeName", json: "volumeName", ty: 7, embedded: false },
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Optional", json: "optional", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "VolumeName", field: "VolumeName", how: How::Plain, from: "", to: "" },
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Optional", field: "Optional", how: How::Pointer, from: "", to: "" },] },
    // 176
    Type { id: 176, name: "v1.ResourceRequirements", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Limits", json: "limits", ty: 144, embedded: false },
            Field { name: "Requests", json: "requests", ty: 144, embedded: false },
            Field { name: "Claims", json: "claims", ty: 177, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Limits", field: "Limits", how: How::Map, from: "ResourceList{", to: "" },
            Show { label: "Requests", field: "Requests", how: How::Map, from: "ResourceList{", to: "" },
            Show { label: "Claims", field: "Claims", how: How::List, from: "[]ResourceClaim{", to: "ResourceClaim ResourceClaim" },] },
    // 177
    Type { id: 177, name: "[]v1.ResourceClaim", kind: Kind::Slice, elem: 178, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 178
    Type { id: 178, name: "v1.ResourceClaim", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Request", json: "request", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Request", field: "Request", how: How::Plain, from: "", to: "" },] },
    // 179
    Type { id: 179, name: "[]v1.ContainerResizePolicy", kind: Kind::Slice, elem: 180, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 180
    Type { id: 180, name: "v1.ContainerResizePolicy", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ResourceName", json: "resourceName", ty: 145, embedded: false },
            Field { name: "RestartPolicy", json: "restartPolicy", ty: 181, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ResourceName", field: "ResourceName", how: How::Plain, from: "", to: "" },
            Show { label: "RestartPolicy", field: "RestartPolicy", how: How::Plain, from: "", to: "" },] },
    // 181
    Type { id: 181, name: "v1.ResourceResizeRestartPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 182
    Type { id: 182, name: "*v1.ContainerRestartPolicy", kind: Kind::Pointer, elem: 183, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 183
    Type { id: 183, name: "v1.ContainerRestartPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 184
    Type { id: 184, name: "[]v1.ContainerRestartRule", kind: Kind::Slice, elem: 185, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 185
    Type { id: 185, name: "v1.ContainerRestartRule", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Action", json: "action", ty: 186, embedded: false },
            Field { name: "ExitCodes", json: "exitCodes", ty: 187, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Action", field: "Action", how: How::Plain, from: "", to: "" },
            Show { label: "ExitCodes", field: "ExitCodes", how: How::Kept, from: "ContainerRestartRuleOnExitCodes", to: "ContainerRestartRuleOnExitCodes" },] },
    // 186
    Type { id: 186, name: "v1.ContainerRestartRuleAction", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 187
    Type { id: 187, name: "*v1.ContainerRestartRuleOnExitCodes", kind: Kind::Pointer, elem: 188, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 188
    Type { id: 188, name: "v1.ContainerRestartRuleOnExitCodes", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Operator", json: "operator", ty: 189, embedded: false },
            Field { name: "Values", json: "values", ty: 190, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Operator", field: "Operator", how: How::Plain, from: "", to: "" },
            Show { label: "Values", field: "Values", how: How::Plain, from: "", to: "" },] },
    // 189
    Type { id: 189, name: "v1.ContainerRestartRuleOnExitCodesOperator", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 190
    Type { id: 190, name: "[]int32", kind: Kind::Slice, elem: 17, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 191
    Type { id: 191, name: "[]v1.VolumeMount", kind: Kind::Slice, elem: 192, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 192
    Type { id: 192, name: "v1.VolumeMount", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "ReadOnly", json: "readOnly", ty: 1, embedded: false },
            Field { name: "RecursiveReadOnly", json: "recursiveReadOnly", ty: 193, embedded: false },
            Field { name: "MountPath", json: "mountPath", ty: 7, embedded: false },
            Field { name: "SubPath", json: "subPath", ty: 7, embedded: false },
            Field { name: "MountPropagation", json: "mountPropagation", ty: 195, embedded: false },
            Field { name: "SubPathExpr", json: "subPathExpr", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "ReadOnly", field: "ReadOnly", how: How::Plain, from: "", to: "" },
            Show { label: "MountPath", field: "MountPath", how: How::Plain, from: "", to: "" },
            Show { label: "SubPath", field: "SubPath", how: How::Plain, from: "", to: "" },
            Show { label: "MountPropagation", field: "MountPropagation", how: How::Pointer, from: "", to: "" },
            Show { label: "SubPathExpr", field: "SubPathExpr", how: How::Plain, from: "", to: "" },
            Show { label: "RecursiveReadOnly", field: "RecursiveReadOnly", how: How::Pointer, from: "", to: "" },] },
    // 193
    Type { id: 193, name: "*v1.RecursiveReadOnlyMode", kind: Kind::Pointer, elem: 194, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 194
    Type { id: 194, name: "v1.RecursiveReadOnlyMode", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 195
    Type { id: 195, name: "*v1.MountPropagationMode", kind: Kind::Pointer, elem: 196, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 196
    Type { id: 196, name: "v1.MountPropagationMode", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 197
    Type { id: 197, name: "[]v1.VolumeDevice", kind: Kind::Slice, elem: 198, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 198
    Type { id: 198, name: "v1.VolumeDevice", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "DevicePath", json: "devicePath", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "DevicePath", field: "DevicePath", how: How::Plain, from: "", to: "" },] },
    // 199
    Type { id: 199, name: "*v1.Probe", kind: Kind::Pointer, elem: 200, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 200
    Type { id: 200, name: "v1.Probe", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ProbeHandler", json: "", ty: 201, embedded: true },
            Field { name: "InitialDelaySeconds", json: "initialDelaySeconds", ty: 17, embedded: false },
            Field { name: "TimeoutSeconds", json: "timeoutSeconds", ty: 17, embedded: false },
            Field { name: "PeriodSeconds", json: "periodSeconds", ty: 17, embedded: false },
            Field { name: "SuccessThreshold", json: "successThreshold", ty: 17, embedded: false },
            Field { name: "FailureThreshold", json: "failureThreshold", ty: 17, embedded: false },
            Field { name: "TerminationGracePeriodSeconds", json: "terminationGracePeriodSeconds", ty: 28, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ProbeHandler", field: "ProbeHandler", how: How::Nested, from: "ProbeHandler", to: "ProbeHandler" },
            Show { label: "InitialDelaySeconds", field: "InitialDelaySeconds", how: How::Plain, from: "", to: "" },
            Show { label: "TimeoutSeconds", field: "TimeoutSeconds", how: How::Plain, from: "", to: "" },
            Show { label: "PeriodSeconds", field: "PeriodSeconds", how: How::Plain, from: "", to: "" },
            Show { label: "SuccessThreshold", field: "SuccessThreshold", how: How::Plain, from: "", to: "" },
            Show { label: "FailureThreshold", field: "FailureThreshold", how: How::Plain, from: "", to: "" },
            Show { label: "TerminationGracePeriodSeconds", field: "TerminationGracePeriodSeconds", how: How::Pointer, from: "", to: "" },] },
    // 201
    Type { id: 201, name: "v1.ProbeHandler", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Exec", json: "exec", ty: 202, embedded: false },
            Field { name: "HTTPGet", json: "httpGet", ty: 204, embedded: false },
            Field { name: "TCPSocket", json: "tcpSocket", ty: 211, embedded: false },
            Field { name: "GRPC", json: "grpc", ty: 213, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Exec", field: "Exec", how: How::Kept, from: "ExecAction", to: "ExecAction" },
            Show { label: "HTTPGet", field: "HTTPGet", how: How::Kept, from: "HTTPGetAction", to: "HTTPGetAction" },
            Show { label: "TCPSocket", field: "TCPSocket", how: How::Kept, from: "TCPSocketAction", to: "TCPSocketAction" },
            Show { label: "GRPC", field: "GRPC", how: How::Kept, from: "GRPCAction", to: "GRPCAction" },] },
    // 202
    Type { id: 202, name: "*v1.ExecAction", kind: Kind::Pointer, elem: 203, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 203
    Type { id: 203, name: "v1.ExecAction", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Command", json: "command", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Command", field: "Command", how: How::Plain, from: "", to: "" },] },
    // 204
    Type { id: 204, name: "*v1.HTTPGetAction", kind: Kind::Pointer, elem: 205, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 205
    Type { id: 205, name: "v1.HTTPGetAction", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Path", json: "path", ty: 7, embedded: false },
            Field { name: "Port", json: "port", ty: 206, embedded: false },
            Field { name: "Host", json: "host", ty: 7, embedded: false },
            Field { name: "Scheme", json: "scheme", ty: 208, embedded: false },
            Field { name: "HTTPHeaders", json: "httpHeaders", ty: 209, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Path", field: "Path", how: How::Plain, from: "", to: "" },
            Show { label: "Port", field: "Port", how: How::TextNested, from: "IntOrString", to: "intstr.IntOrString" },
            Show { label: "Host", field: "Host", how: How::Plain, from: "", to: "" },
            Show { label: "Scheme", field: "Scheme", how: How::Plain, from: "", to: "" },
            Show { label: "HTTPHeaders", field: "HTTPHeaders", how: How::List, from: "[]HTTPHeader{", to: "HTTPHeader HTTPHeader" },] },
    // 206
    Type { id: 206, name: "intstr.IntOrString", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Type", json: "", ty: 207, embedded: false },
            Field { name: "IntVal", json: "", ty: 17, embedded: false },
            Field { name: "StrVal", json: "", ty: 7, embedded: false },],
        methods: &["Descriptor", "IntValue", "Marshal", "MarshalCBOR", "MarshalJSON", "MarshalTo", "MarshalToSizedBuffer", "OpenAPISchemaFormat", "OpenAPISchemaType", "OpenAPIV3OneOfTypes", "ProtoMessage", "RandFill", "Reset", "Size", "String", "Unmarshal", "UnmarshalCBOR", "UnmarshalJSON", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[] },
    // 207
    Type { id: 207, name: "intstr.Type", kind: Kind::Int, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 208
    Type { id: 208, name: "v1.URIScheme", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 209
    Type { id: 209, name: "[]v1.HTTPHeader", kind: Kind::Slice, elem: 210, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 210
    Type { id: 210, name: "v1.HTTPHeader", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Value", json: "value", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Plain, from: "", to: "" },] },
    // 211
    Type { id: 211, name: "*v1.TCPSocketAction", kind: Kind::Pointer, elem: 212, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 212
    Type { id: 212, name: "v1.TCPSocketAction", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Port", json: "port", ty: 206, embedded: false },
            Field { name: "Host", json: "host", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Port", field: "Port", how: How::TextNested, from: "IntOrString", to: "intstr.IntOrString" },
            Show { label: "Host", field: "Host", how: How::Plain, from: "", to: "" },] },
    // 213
    Type { id: 213, name: "*v1.GRPCAction", kind: Kind::Pointer, elem: 214, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 214
    Type { id: 214, name: "v1.GRPCAction", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Port", json: "port", ty: 17, embedded: false },
            Field { name: "Service", json: "service", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Port", field: "Port", how: How::Plain, from: "", to: "" },
            Show { label: "Service", field: "Service", how: How::Pointer, from: "", to: "" },] },
    // 215
    Type { id: 215, name: "*v1.Lifecycle", kind: Kind::Pointer, elem: 216, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 216
    Type { id: 216, name: "v1.Lifecycle", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "PostStart", json: "postStart", ty: 217, embedded: false },
            Field { name: "PreStop", json: "preStop", ty: 217, embedded: false },
            Field { name: "StopSignal", json: "stopSignal", ty: 221, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "PostStart", field: "PostStart", how: How::Kept, from: "LifecycleHandler", to: "LifecycleHandler" },
            Show { label: "PreStop", field: "PreStop", how: How::Kept, from: "LifecycleHandler", to: "LifecycleHandler" },
            Show { label: "StopSignal", field: "StopSignal", how: How::Pointer, from: "", to: "" },] },
    // 217
    Type { id: 217, name: "*v1.LifecycleHandler", kind: Kind::Pointer, elem: 218, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 218
    Type { id: 218, name: "v1.LifecycleHandler", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Exec", json: "exec", ty: 202, embedded: false },
            Field { name: "HTTPGet", json: "httpGet", ty: 204, embedded: false },
            Field { name: "TCPSocket", json: "tcpSocket", ty: 211, embedded: false },
            Field { name: "Sleep", json: "sleep", ty: 219, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Exec", field: "Exec", how: How::Kept, from: "ExecAction", to: "ExecAction" },
            Show { label: "HTTPGet", field: "HTTPGet", how: How::Kept, from: "HTTPGetAction", to: "HTTPGetAction" },
            Show { label: "TCPSocket", field: "TCPSocket", how: How::Kept, from: "TCPSocketAction", to: "TCPSocketAction" },
            Show { label: "Sleep", field: "Sleep", how: How::Kept, from: "SleepAction", to: "SleepAction" },] },
    // 219
    Type { id: 219, name: "*v1.SleepAction", kind: Kind::Pointer, elem: 220, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 220
    Type { id: 220, name: "v1.SleepAction", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Seconds", json: "seconds", ty: 3, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Seconds", field: "Seconds", how: How::Plain, from: "", to: "" },] },
    // 221
    Type { id: 221, name: "*v1.Signal", kind: Kind::Pointer, elem: 222, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 222
    Type { id: 222, name: "v1.Signal", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 223
    Type { id: 223, name: "v1.TerminationMessagePolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 224
    Type { id: 224, name: "*v1.SecurityContext", kind: Kind::Pointer, elem: 225, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 225
    Type { id: 225, name: "v1.SecurityContext", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Capabilities", json: "capabilities", ty: 226, embedded: false },
            Field { name: "Privileged", json: "privileged", ty: 59, embedded: false },
            Field { name: "SELinuxOptions", json: "seLinuxOptions", ty: 230, embedded: false },
            Field { name: "WindowsOptions", json: "windowsOptions", ty: 232, embedded: false },
            Field { name: "RunAsUser", json: "runAsUser", ty: 28, embedded: false },
            Field { name: "RunAsGroup", json: "runAsGroup", ty: 28, embedded: false },
            Field { name: "RunAsNonRoot", json: "runAsNonRoot", ty: 59, embedded: false },
            Field { name: "ReadOnlyRootFilesystem", json: "readOnlyRootFilesystem", ty: 59, embedded: false },
            Field { name: "AllowPrivilegeEscalation", json: "allowPrivilegeEscalation", ty: 59, embedded: false },
            Field { name: "ProcMount", json: "procMount", ty: 234, embedded: false },
            Field { name: "SeccompProfile", json: "seccompProfile", ty: 236, embedded: false },
            Field { name: "AppArmorProfile", json: "appArmorProfile", ty: 239, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Capabilities", field: "Capabilities", how: How::Kept, from: "Capabilities", to: "Capabilities" },
            Show { label: "Privileged", field: "Privileged", how: How::Pointer, from: "", to: "" },
            Show { label: "SELinuxOptions", field: "SELinuxOptions", how: How::Kept, from: "SELinuxOptions", to: "SELinuxOptions" },
            Show { label: "RunAsUser", field: "RunAsUser", how: How::Pointer, from: "", to: "" },
            Show { label: "RunAsNonRoot", field: "RunAsNonRoot", how: How::Pointer, from: "", to: "" },
            Show { label: "ReadOnlyRootFilesystem", field: "ReadOnlyRootFilesystem", how: How::Pointer, from: "", to: "" },
            Show { label: "AllowPrivilegeEscalation", field: "AllowPrivilegeEscalation", how: How::Pointer, from: "", to: "" },
            Show { label: "RunAsGroup", field: "RunAsGroup", how: How::Pointer, from: "", to: "" },
            Show { label: "ProcMount", field: "ProcMount", how: How::Pointer, from: "", to: "" },
            Show { label: "WindowsOptions", field: "WindowsOptions", how: How::Kept, from: "WindowsSecurityContextOptions", to: "WindowsSecurityContextOptions" },
            Show { label: "SeccompProfile", field: "SeccompProfile", how: How::Kept, from: "SeccompProfile", to: "SeccompProfile" },
            Show { label: "AppArmorProfile", field: "AppArmorProfile", how: How::Kept, from: "AppArmorProfile", to: "AppArmorProfile" },] },
    // 226
    Type { id: 226, name: "*v1.Capabilities", kind: Kind::Pointer, elem: 227, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 227
    Type { id: 227, name: "v1.Capabilities", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Add", json: "add", ty: 228, embedded: false },
            Field { name: "Drop", json: "drop", ty: 228, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Add", field: "Add", how: How::Plain, from: "", to: "" },
            Show { label: "Drop", field: "Drop", how: How::Plain, from: "", to: "" },] },
    // 228
    Type { id: 228, name: "[]v1.Capability", kind: Kind::Slice, elem: 229, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 229
    Type { id: 229, name: "v1.Capability", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 230
    Type { id: 230, name: "*v1.SELinuxOptions", kind: Kind::Pointer, elem: 231, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 231
    Type { id: 231, name: "v1.SELinuxOptions", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "User", json: "user", ty: 7, embedded: false },
            Field { name: "Role", json: "role", ty: 7, embedded: false },
            Field { name: "Type", json: "type", ty: 7, embedded: false },
            Field { name: "Level", json: "level", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "User", field: "User", how: How::Plain, from: "", to: "" },
            Show { label: "Role", field: "Role", how: How::Plain, from: "", to: "" },
            Show { label: "Type", field: "Type", how: How::Plain, from: "", to: "" },
            Show { label: "Level", field: "Level", how: How::Plain, from: "", to: "" },] },
    // 232
    Type { id: 232, name: "*v1.WindowsSecurityContextOptions", kind: Kind::Pointer, elem: 233, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 233
    Type { id: 233, name: "v1.WindowsSecurityContextOptions", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "GMSACredentialSpecName", json: "gmsaCredentialSpecName", ty: 66, embedded: false },
            Field { name: "GMSACredentialSpec", json: "gmsaCredentialSpec", ty: 66, embedded: false },
            Field { name: "RunAsUserName", json: "runAsUserName", ty: 66, embedded: false },
            Field { name: "HostProcess", json: "hostProcess", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "GMSACredentialSpecName", field: "GMSACredentialSpecName", how: How::Pointer, from: "", to: "" },
            Show { label: "GMSACredentialSpec", field: "GMSACredentialSpec", how: How::Pointer, from: "", to: "" },
            Show { label: "RunAsUserName", field: "RunAsUserName", how: How::Pointer, from: "", to: "" },
            Show { label: "HostProcess", field: "HostProcess", how: How::Pointer, from: "", to: "" },] },
    // 234
    Type { id: 234, name: "*v1.ProcMountType", kind: Kind::Pointer, elem: 235, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 235
    Type { id: 235, name: "v1.ProcMountType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 236
    Type { id: 236, name: "*v1.SeccompProfile", kind: Kind::Pointer, elem: 237, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 237
    Type { id: 237, name: "v1.SeccompProfile", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Type", json: "type", ty: 238, embedded: false },
            Field { name: "LocalhostProfile", json: "localhostProfile", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Type", field: "Type", how: How::Plain, from: "", to: "" },
            Show { label: "LocalhostProfile", field: "LocalhostProfile", how: How::Pointer, from: "", to: "" },] },
    // 238
    Type { id: 238, name: "v1.SeccompProfileType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 239
    Type { id: 239, name: "*v1.AppArmorProfile", kind: Kind::Pointer, elem: 240, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 240
    Type { id: 240, name: "v1.AppArmorProfile", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Type", json: "type", ty: 241, embedded: false },
            Field { name: "LocalhostProfile", json: "localhostProfile", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Type", field: "Type", how: How::Plain, from: "", to: "" },
            Show { label: "LocalhostProfile", field: "LocalhostProfile", how: How::Pointer, from: "", to: "" },] },
    // 241
    Type { id: 241, name: "v1.AppArmorProfileType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 242
    Type { id: 242, name: "[]v1.EphemeralContainer", kind: Kind::Slice, elem: 243, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 243
    Type { id: 243, name: "v1.EphemeralContainer", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "EphemeralContainerCommon", json: "", ty: 244, embedded: true },
            Field { name: "TargetContainerName", json: "targetContainerName", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "EphemeralContainerCommon", field: "EphemeralContainerCommon", how: How::Nested, from: "EphemeralContainerCommon", to: "EphemeralContainerCommon" },
            Show { label: "TargetContainerName", field: "TargetContainerName", how: How::Plain, from: "", to: "" },] },
    // 244
    Type { id: 244, name: "v1.EphemeralContainerCommon", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Image", json: "image", ty: 7, embedded: false },
            Field { name: "Command", json: "command", ty: 29, embedded: false },
            Field { name: "Args", json: "args", ty: 29, embedded: false },
            Field { name: "WorkingDir", json: "workingDir", ty: 7, embedded: false },
            Field { name: "Ports", json: "ports", ty: 157, embedded: false },
            Field { name: "EnvFrom", json: "envFrom", ty: 160, embedded: false },
            Field { name: "Env", json: "env", ty: 166, embedded: false },
            Field { name: "Resources", json: "resources", ty: 176, embedded: false },
            Field { name: "ResizePolicy", json: "resizePolicy", ty: 179, embedded: false },
            Field { name: "RestartPolicy", json: "restartPolicy", ty: 182, embedded: false },
            Field { name: "RestartPolicyRules", json: "restartPolicyRules", ty: 184, embedded: false },
            Field { name: "VolumeMounts", json: "volumeMounts", ty: 191, embedded: false },
            Field { name: "VolumeDevices", json: "volumeDevices", ty: 197, embedded: false },
            Field { name: "LivenessProbe", json: "livenessProbe", ty: 199, embedded: false },
            Field { name: "ReadinessProbe", json: "readinessProbe", ty: 199, embedded: false },
            Field { name: "StartupProbe", json: "startupProbe", ty: 199, embedded: false },
            Field { name: "Lifecycle", json: "lifecycle", ty: 215, embedded: false },
            Field { name: "TerminationMessagePath", json: "terminationMessagePath", ty: 7, embedded: false },
            Field { name: "TerminationMessagePolicy", json: "terminationMessagePolicy", ty: 223, embedded: false },
            Field { name: "ImagePullPolicy", json: "imagePullPolicy", ty: 154, embedded: false },
            Field { name: "SecurityContext", json: "securityContext", ty: 224, embedded: false },
            Field { name: "Stdin", json: "stdin", ty: 1, embedded: false },
            Field { name: "StdinOnce", json: "stdinOnce", ty: 1, embedded: false },
            Field { name: "TTY", json: "tty", ty: 1, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Image", field: "Image", how: How::Plain, from: "", to: "" },
            Show { label: "Command", field: "Command", how: How::Plain, from: "", to: "" },
            Show { label: "Args", field: "Args", how: How::Plain, from: "", to: "" },
            Show { label: "WorkingDir", field: "WorkingDir", how: How::Plain, from: "", to: "" },
            Show { label: "Ports", field: "Ports", how: How::List, from: "[]ContainerPort{", to: "ContainerPort ContainerPort" },
            Show { label: "Env", field: "Env", how: How::List, from: "[]EnvVar{", to: "EnvVar EnvVar" },
            Show { label: "Resources", field: "Resources", how: How::Nested, from: "ResourceRequirements", to: "ResourceRequirements" },
            Show { label: "VolumeMounts", field: "VolumeMounts", how: How::List, from: "[]VolumeMount{", to: "VolumeMount VolumeMount" },
            Show { label: "LivenessProbe", field: "LivenessProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "ReadinessProbe", field: "ReadinessProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "Lifecycle", field: "Lifecycle", how: How::Kept, from: "Lifecycle", to: "Lifecycle" },
            Show { label: "TerminationMessagePath", field: "TerminationMessagePath", how: How::Plain, from: "", to: "" },
            Show { label: "ImagePullPolicy", field: "ImagePullPolicy", how: How::Plain, from: "", to: "" },
            Show { label: "SecurityContext", field: "SecurityContext", how: How::Kept, from: "SecurityContext", to: "SecurityContext" },
            Show { label: "Stdin", field: "Stdin", how: How::Plain, from: "", to: "" },
            Show { label: "StdinOnce", field: "StdinOnce", how: How::Plain, from: "", to: "" },
            Show { label: "TTY", field: "TTY", how: How::Plain, from: "", to: "" },
            Show { label: "EnvFrom", field: "EnvFrom", how: How::List, from: "[]EnvFromSource{", to: "EnvFromSource EnvFromSource" },
            Show { label: "TerminationMessagePolicy", field: "TerminationMessagePolicy", how: How::Plain, from: "", to: "" },
            Show { label: "VolumeDevices", field: "VolumeDevices", how: How::List, from: "[]VolumeDevice{", to: "VolumeDevice VolumeDevice" },
            Show { label: "StartupProbe", field: "StartupProbe", how: How::Kept, from: "Probe", to: "Probe" },
            Show { label: "ResizePolicy", field: "ResizePolicy", how: How::List, from: "[]ContainerResizePolicy{", to: "ContainerResizePolicy ContainerResizePolicy" },
            Show { label: "RestartPolicy", field: "RestartPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "RestartPolicyRules", field: "RestartPolicyRules", how: How::List, from: "[]ContainerRestartRule{", to: "ContainerRestartRule ContainerRestartRule" },] },
    // 245
    Type { id: 245, name: "v1.RestartPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 246
    Type { id: 246, name: "v1.DNSPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 247
    Type { id: 247, name: "*v1.PodSecurityContext", kind: Kind::Pointer, elem: 248, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 248
    Type { id: 248, name: "v1.PodSecurityContext", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "SELinuxOptions", json: "seLinuxOptions", ty: 230, embedded: false },
            Field { name: "WindowsOptions", json: "windowsOptions", ty: 232, embedded: false },
            Field { name: "RunAsUser", json: "runAsUser", ty: 28, embedded: false },
            Field { name: "RunAsGroup", json: "runAsGroup", ty: 28, embedded: false },
            Field { name: "RunAsNonRoot", json: "runAsNonRoot", ty: 59, embedded: false },
            Field { name: "SupplementalGroups", json: "supplementalGroups", ty: 249, embedded: false },
            Field { name: "SupplementalGroupsPolicy", json: "supplementalGroupsPolicy", ty: 250, embedded: false },
            Field { name: "FSGroup", json: "fsGroup", ty: 28, embedded: false },
            Field { name: "Sysctls", json: "sysctls", ty: 252, embedded: false },
            Field { name: "FSGroupChangePolicy", json: "fsGroupChangePolicy", ty: 254, embedded: false },
            Field { name: "SeccompProfile", json: "seccompProfile", ty: 236, embedded: false },
            Field { name: "AppArmorProfile", json: "appArmorProfile", ty: 239, embedded: false },
            Field { name: "SELinuxChangePolicy", json: "seLinuxChangePolicy", ty: 256, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "SELinuxOptions", field: "SELinuxOptions", how: How::Kept, from: "SELinuxOptions", to: "SELinuxOptions" },
            Show { label: "RunAsUser", field: "RunAsUser", how: How::Pointer, from: "", to: "" },
            Show { label: "RunAsNonRoot", field: "RunAsNonRoot", how: How::Pointer, from: "", to: "" },
            Show { label: "SupplementalGroups", field: "SupplementalGroups", how: How::Plain, from: "", to: "" },
            Show { label: "FSGroup", field: "FSGroup", how: How::Pointer, from: "", to: "" },
            Show { label: "RunAsGroup", field: "RunAsGroup", how: How::Pointer, from: "", to: "" },
            Show { label: "Sysctls", field: "Sysctls", how: How::List, from: "[]Sysctl{", to: "Sysctl Sysctl" },
            Show { label: "WindowsOptions", field: "WindowsOptions", how: How::Kept, from: "WindowsSecurityContextOptions", to: "WindowsSecurityContextOptions" },
            Show { label: "FSGroupChangePolicy", field: "FSGroupChangePolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "SeccompProfile", field: "SeccompProfile", how: How::Kept, from: "SeccompProfile", to: "SeccompProfile" },
            Show { label: "AppArmorProfile", field: "AppArmorProfile", how: How::Kept, from: "AppArmorProfile", to: "AppArmorProfile" },
            Show { label: "SupplementalGroupsPolicy", field: "SupplementalGroupsPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "SELinuxChangePolicy", field: "SELinuxChangePolicy", how: How::Pointer, from: "", to: "" },] },
    // 249
    Type { id: 249, name: "[]int64", kind: Kind::Slice, elem: 3, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 250
    Type { id: 250, name: "*v1.SupplementalGroupsPolicy", kind: Kind::Pointer, elem: 251, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 251
    Type { id: 251, name: "v1.SupplementalGroupsPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 252
    Type { id: 252, name: "[]v1.Sysctl", kind: Kind::Slice, elem: 253, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 253
    Type { id: 253, name: "v1.Sysctl", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Value", json: "value", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Plain, from: "", to: "" },] },
    // 254
    Type { id: 254, name: "*v1.PodFSGroupChangePolicy", kind: Kind::Pointer, elem: 255, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 255
    Type { id: 255, name: "v1.PodFSGroupChangePolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 256
    Type { id: 256, name: "*v1.PodSELinuxChangePolicy", kind: Kind::Pointer, elem: 257, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 257
    Type { id: 257, name: "v1.PodSELinuxChangePolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 258
    Type { id: 258, name: "[]v1.LocalObjectReference", kind: Kind::Slice, elem: 65, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 259
    Type { id: 259, name: "*v1.Affinity", kind: Kind::Pointer, elem: 260, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 260
    Type { id: 260, name: "v1.Affinity", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "NodeAffinity", json: "nodeAffinity", ty: 261, embedded: false },
            Field { name: "PodAffinity", json: "podAffinity", ty: 272, embedded: false },
            Field { name: "PodAntiAffinity", json: "podAntiAffinity", ty: 278, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "NodeAffinity", field: "NodeAffinity", how: How::Kept, from: "NodeAffinity", to: "NodeAffinity" },
            Show { label: "PodAffinity", field: "PodAffinity", how: How::Kept, from: "PodAffinity", to: "PodAffinity" },
            Show { label: "PodAntiAffinity", field: "PodAntiAffinity", how: How::Kept, from: "PodAntiAffinity", to: "PodAntiAffinity" },] },
    // 261
    Type { id: 261, name: "*v1.NodeAffinity", kind: Kind::Pointer, elem: 262, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 262
    Type { id: 262, name: "v1.NodeAffinity", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "RequiredDuringSchedulingIgnoredDuringExecution", json: "requiredDuringSchedulingIgnoredDuringExecution", ty: 263, embedded: false },
            Field { name: "PreferredDuringSchedulingIgnoredDuringExecution", json: "preferredDuringSchedulingIgnoredDuringExecution", ty: 270, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "RequiredDuringSchedulingIgnoredDuringExecution", field: "RequiredDuringSchedulingIgnoredDuringExecution", how: How::Kept, from: "NodeSelector", to: "NodeSelector" },
            Show { label: "PreferredDuringSchedulingIgnoredDuringExecution", field: "PreferredDuringSchedulingIgnoredDuringExecution", how: How::List, from: "[]PreferredSchedulingTerm{", to: "PreferredSchedulingTerm PreferredSchedulingTerm" },] },
    // 263
    Type { id: 263, name: "*v1.NodeSelector", kind: Kind::Pointer, elem: 264, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 264
    Type { id: 264, name: "v1.NodeSelector", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "NodeSelectorTerms", json: "nodeSelectorTerms", ty: 265, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "NodeSelectorTerms", field: "NodeSelectorTerms", how: How::List, from: "[]NodeSelectorTerm{", to: "NodeSelectorTerm NodeSelectorTerm" },] },
    // 265
    Type { id: 265, name: "[]v1.NodeSelectorTerm", kind: Kind::Slice, elem: 266, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 266
    Type { id: 266, name: "v1.NodeSelectorTerm", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "MatchExpressions", json: "matchExpressions", ty: 267, embedded: false },
            Field { name: "MatchFields", json: "matchFields", ty: 267, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "MatchExpressions", field: "MatchExpressions", how: How::List, from: "[]NodeSelectorRequirement{", to: "NodeSelectorRequirement NodeSelectorRequirement" },
            Show { label: "MatchFields", field: "MatchFields", how: How::List, from: "[]NodeSelectorRequirement{", to: "NodeSelectorRequirement NodeSelectorRequirement" },] },
    // 267
    Type { id: 267, name: "[]v1.NodeSelectorRequirement", kind: Kind::Slice, elem: 268, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 268
    Type { id: 268, name: "v1.NodeSelectorRequirement", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Operator", json: "operator", ty: 269, embedded: false },
            Field { name: "Values", json: "values", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Operator", field: "Operator", how: How::Plain, from: "", to: "" },
            Show { label: "Values", field: "Values", how: How::Plain, from: "", to: "" },] },
    // 269
    Type { id: 269, name: "v1.NodeSelectorOperator", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 270
    Type { id: 270, name: "[]v1.PreferredSchedulingTerm", kind: Kind::Slice, elem: 271, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 271
    Type { id: 271, name: "v1.PreferredSchedulingTerm", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Weight", json: "weight", ty: 17, embedded: false },
            Field { name: "Preference", json: "preference", ty: 266, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Weight", field: "Weight", how: How::Plain, from: "", to: "" },
            Show { label: "Preference", field: "Preference", how: How::Nested, from: "NodeSelectorTerm", to: "NodeSelectorTerm" },] },
    // 272
    Type { id: 272, name: "*v1.PodAffinity", kind: Kind::Pointer, elem: 273, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 273
    Type { id: 273, name: "v1.PodAffinity", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "RequiredDuringSchedulingIgnoredDuringExecution", json: "requiredDuringSchedulingIgnoredDuringExecution", ty: 274, embedded: false },
            Field { name: "PreferredDuringSchedulingIgnoredDuringExecution", json: "preferredDuringSchedulingIgnoredDuringExecution", ty: 276, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "RequiredDuringSchedulingIgnoredDuringExecution", field: "RequiredDuringSchedulingIgnoredDuringExecution", how: How::List, from: "[]PodAffinityTerm{", to: "PodAffinityTerm PodAffinityTerm" },
            Show { label: "PreferredDuringSchedulingIgnoredDuringExecution", field: "PreferredDuringSchedulingIgnoredDuringExecution", how: How::List, from: "[]WeightedPodAffinityTerm{", to: "WeightedPodAffinityTerm WeightedPodAffinityTerm" },] },
    // 274
    Type { id: 274, name: "[]v1.PodAffinityTerm", kind: Kind::Slice, elem: 275, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 275
    Type { id: 275, name: "v1.PodAffinityTerm", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "LabelSelector", json: "labelSelector", ty: 121, embedded: false },
            Field { name: "Namespaces", json: "namespaces", ty: 29, embedded: false },
            Field { name: "TopologyKey", json: "topologyKey", ty: 7, embedded: false },
            Field { name: "NamespaceSelector", json: "namespaceSelector", ty: 121, embedded: false },
            Field { name: "MatchLabelKeys", json: "matchLabelKeys", ty: 29, embedded: false },
            Field { name: "MismatchLabelKeys", json: "mismatchLabelKeys", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "LabelSelector", field: "LabelSelector", how: How::Text, from: "LabelSelector", to: "v1.LabelSelector" },
            Show { label: "Namespaces", field: "Namespaces", how: How::Plain, from: "", to: "" },
            Show { label: "TopologyKey", field: "TopologyKey", how: How::Plain, from: "", to: "" },
            Show { label: "NamespaceSelector", field: "NamespaceSelector", how: How::Text, from: "LabelSelector", to: "v1.LabelSelector" },
            Show { label: "MatchLabelKeys", field: "MatchLabelKeys", how: How::Plain, from: "", to: "" },
            Show { label: "MismatchLabelKeys", field: "MismatchLabelKeys", how: How::Plain, from: "", to: "" },] },
    // 276
    Type { id: 276, name: "[]v1.WeightedPodAffinityTerm", kind: Kind::Slice, elem: 277, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 277
    Type { id: 277, name: "v1.WeightedPodAffinityTerm", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Weight", json: "weight", ty: 17, embedded: false },
            Field { name: "PodAffinityTerm", json: "podAffinityTerm", ty: 275, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Weight", field: "Weight", how: How::Plain, from: "", to: "" },
            Show { label: "PodAffinityTerm", field: "PodAffinityTerm", how: How::Nested, from: "PodAffinityTerm", to: "PodAffinityTerm" },] },
    // 278
    Type { id: 278, name: "*v1.PodAntiAffinity", kind: Kind::Pointer, elem: 279, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 279
    Type { id: 279, name: "v1.PodAntiAffinity", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "RequiredDuringSchedulingIgnoredDuringExecution", json: "requiredDuringSchedulingIgnoredDuringExecution", ty: 274, embedded: false },
            Field { name: "PreferredDuringSchedulingIgnoredDuringExecution", json: "preferredDuringSchedulingIgnoredDuringExecution", ty: 276, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "RequiredDuringSchedulingIgnoredDuringExecution", field: "RequiredDuringSchedulingIgnoredDuringExecution", how: How::List, from: "[]PodAffinityTerm{", to: "PodAffinityTerm PodAffinityTerm" },
            Show { label: "PreferredDuringSchedulingIgnoredDuringExecution", field: "PreferredDuringSchedulingIgnoredDuringExecution", how: How::List, from: "[]WeightedPodAffinityTerm{", to: "WeightedPodAffinityTerm WeightedPodAffinityTerm" },] },
    // 280
    Type { id: 280, name: "[]v1.Toleration", kind: Kind::Slice, elem: 281, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 281
    Type { id: 281, name: "v1.Toleration", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Operator", json: "operator", ty: 282, embedded: false },
            Field { name: "Value", json: "value", ty: 7, embedded: false },
            Field { name: "Effect", json: "effect", ty: 283, embedded: false },
            Field { name: "TolerationSeconds", json: "tolerationSeconds", ty: 28, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "MatchToleration", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "ToleratesTaint", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Operator", field: "Operator", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Plain, from: "", to: "" },
            Show { label: "Effect", field: "Effect", how: How::Plain, from: "", to: "" },
            Show { label: "TolerationSeconds", field: "TolerationSeconds", how: How::Pointer, from: "", to: "" },] },
    // 282
    Type { id: 282, name: "v1.TolerationOperator", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 283
    Type { id: 283, name: "v1.TaintEffect", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 284
    Type { id: 284, name: "[]v1.HostAlias", kind: Kind::Slice, elem: 285, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 285
    Type { id: 285, name: "v1.HostAlias", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "IP", json: "ip", ty: 7, embedded: false },
            Field { name: "Hostnames", json: "hostnames", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "IP", field: "IP", how: How::Plain, from: "", to: "" },
            Show { label: "Hostnames", field: "Hostnames", how: How::Plain, from: "", to: "" },] },
    // 286
    Type { id: 286, name: "*v1.PodDNSConfig", kind: Kind::Pointer, elem: 287, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 287
    Type { id: 287, name: "v1.PodDNSConfig", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Nameservers", json: "nameservers", ty: 29, embedded: false },
            Field { name: "Searches", json: "searches", ty: 29, embedded: false },
            Field { name: "Options", json: "options", ty: 288, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Nameservers", field: "Nameservers", how: How::Plain, from: "", to: "" },
            Show { label: "Searches", field: "Searches", how: How::Plain, from: "", to: "" },
            Show { label: "Options", field: "Options", how: How::List, from: "[]PodDNSConfigOption{", to: "PodDNSConfigOption PodDNSConfigOption" },] },
    // 288
    Type { id: 288, name: "[]v1.PodDNSConfigOption", kind: Kind::Slice, elem: 289, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 289
    Type { id: 289, name: "v1.PodDNSConfigOption", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "Value", json: "value", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Pointer, from: "", to: "" },] },
    // 290
    Type { id: 290, name: "[]v1.PodReadinessGate", kind: Kind::Slice, elem: 291, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 291
    Type { id: 291, name: "v1.PodReadinessGate", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ConditionType", json: "conditionType", ty: 292, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ConditionType", field: "ConditionType", how: How::Plain, from: "", to: "" },] },
    // 292
    Type { id: 292, name: "v1.PodConditionType", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 293
    Type { id: 293, name: "*v1.PreemptionPolicy", kind: Kind::Pointer, elem: 294, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 294
    Type { id: 294, name: "v1.PreemptionPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 295
    Type { id: 295, name: "[]v1.TopologySpreadConstraint", kind: Kind::Slice, elem: 296, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 296
    Type { id: 296, name: "v1.TopologySpreadConstraint", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "MaxSkew", json: "maxSkew", ty: 17, embedded: false },
            Field { name: "TopologyKey", json: "topologyKey", ty: 7, embedded: false },
            Field { name: "WhenUnsatisfiable", json: "whenUnsatisfiable", ty: 297, embedded: false },
            Field { name: "LabelSelector", json: "labelSelector", ty: 121, embedded: false },
            Field { name: "MinDomains", json: "minDomains", ty: 58, embedded: false },
            Field { name: "NodeAffinityPolicy", json: "nodeAffinityPolicy", ty: 298, embedded: false },
            Field { name: "NodeTaintsPolicy", json: "nodeTaintsPolicy", ty: 298, embedded: false },
            Field { name: "MatchLabelKeys", json: "matchLabelKeys", ty: 29, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "MaxSkew", field: "MaxSkew", how: How::Plain, from: "", to: "" },
            Show { label: "TopologyKey", field: "TopologyKey", how: How::Plain, from: "", to: "" },
            Show { label: "WhenUnsatisfiable", field: "WhenUnsatisfiable", how: How::Plain, from: "", to: "" },
            Show { label: "LabelSelector", field: "LabelSelector", how: How::Text, from: "LabelSelector", to: "v1.LabelSelector" },
            Show { label: "MinDomains", field: "MinDomains", how: How::Pointer, from: "", to: "" },
            Show { label: "NodeAffinityPolicy", field: "NodeAffinityPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "NodeTaintsPolicy", field: "NodeTaintsPolicy", how: How::Pointer, from: "", to: "" },
            Show { label: "MatchLabelKeys", field: "MatchLabelKeys", how: How::Plain, from: "", to: "" },] },
    // 297
    Type { id: 297, name: "v1.UnsatisfiableConstraintAction", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 298
    Type { id: 298, name: "*v1.NodeInclusionPolicy", kind: Kind::Pointer, elem: 299, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 299
    Type { id: 299, name: "v1.NodeInclusionPolicy", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 300
    Type { id: 300, name: "*v1.PodOS", kind: Kind::Pointer, elem: 301, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 301
    Type { id: 301, name: "v1.PodOS", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 302, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },] },
    // 302
    Type { id: 302, name: "v1.OSName", kind: Kind::String, elem: 0, key: 0, comparable: true, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 303
    Type { id: 303, name: "[]v1.PodSchedulingGate", kind: Kind::Slice, elem: 304, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 304
    Type { id: 304, name: "v1.PodSchedulingGate", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },] },
    // 305
    Type { id: 305, name: "[]v1.PodResourceClaim", kind: Kind::Slice, elem: 306, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 306
    Type { id: 306, name: "v1.PodResourceClaim", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "ResourceClaimName", json: "resourceClaimName", ty: 66, embedded: false },
            Field { name: "ResourceClaimTemplateName", json: "resourceClaimTemplateName", ty: 66, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "ResourceClaimName", field: "ResourceClaimName", how: How::Pointer, from: "", to: "" },
            Show { label: "ResourceClaimTemplateName", field: "ResourceClaimTemplateName", how: How::Pointer, from: "", to: "" },] },
    // 307
    Type { id: 307, name: "*v1.ResourceRequirements", kind: Kind::Pointer, elem: 176, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 308
    Type { id: 308, name: "*v1.NodeSpec", kind: Kind::Pointer, elem: 309, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 309
    Type { id: 309, name: "v1.NodeSpec", kind: Kind::Struct, elem: 0, key: 0, comparable: false, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "PodCIDR", json: "podCIDR", ty: 7, embedded: false },
            Field { name: "PodCIDRs", json: "podCIDRs", ty: 29, embedded: false },
            Field { name: "ProviderID", json: "providerID", ty: 7, embedded: false },
            Field { name: "Unschedulable", json: "unschedulable", ty: 1, embedded: false },
            Field { name: "Taints", json: "taints", ty: 310, embedded: false },
            Field { name: "ConfigSource", json: "configSource", ty: 312, embedded: false },
            Field { name: "DoNotUseExternalID", json: "externalID", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "PodCIDR", field: "PodCIDR", how: How::Plain, from: "", to: "" },
            Show { label: "DoNotUseExternalID", field: "DoNotUseExternalID", how: How::Plain, from: "", to: "" },
            Show { label: "ProviderID", field: "ProviderID", how: How::Plain, from: "", to: "" },
            Show { label: "Unschedulable", field: "Unschedulable", how: How::Plain, from: "", to: "" },
            Show { label: "Taints", field: "Taints", how: How::List, from: "[]Taint{", to: "Taint Taint" },
            Show { label: "ConfigSource", field: "ConfigSource", how: How::Kept, from: "NodeConfigSource", to: "NodeConfigSource" },
            Show { label: "PodCIDRs", field: "PodCIDRs", how: How::Plain, from: "", to: "" },] },
    // 310
    Type { id: 310, name: "[]v1.Taint", kind: Kind::Slice, elem: 311, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 311
    Type { id: 311, name: "v1.Taint", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Key", json: "key", ty: 7, embedded: false },
            Field { name: "Value", json: "value", ty: 7, embedded: false },
            Field { name: "Effect", json: "effect", ty: 283, embedded: false },
            Field { name: "TimeAdded", json: "timeAdded", ty: 27, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "MatchTaint", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "ToString", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Key", field: "Key", how: How::Plain, from: "", to: "" },
            Show { label: "Value", field: "Value", how: How::Plain, from: "", to: "" },
            Show { label: "Effect", field: "Effect", how: How::Plain, from: "", to: "" },
            Show { label: "TimeAdded", field: "TimeAdded", how: How::Text, from: "Time", to: "v1.Time" },] },
    // 312
    Type { id: 312, name: "*v1.NodeConfigSource", kind: Kind::Pointer, elem: 313, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 313
    Type { id: 313, name: "v1.NodeConfigSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "ConfigMap", json: "configMap", ty: 314, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "ConfigMap", field: "ConfigMap", how: How::Kept, from: "ConfigMapNodeConfigSource", to: "ConfigMapNodeConfigSource" },] },
    // 314
    Type { id: 314, name: "*v1.ConfigMapNodeConfigSource", kind: Kind::Pointer, elem: 315, key: 0, comparable: true, stringer: Stringer::Value,
        fields: &[],
        methods: &[],
        show: &[] },
    // 315
    Type { id: 315, name: "v1.ConfigMapNodeConfigSource", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "Namespace", json: "namespace", ty: 7, embedded: false },
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "UID", json: "uid", ty: 26, embedded: false },
            Field { name: "ResourceVersion", json: "resourceVersion", ty: 7, embedded: false },
            Field { name: "KubeletConfigKey", json: "kubeletConfigKey", ty: 7, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Namespace", field: "Namespace", how: How::Plain, from: "", to: "" },
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "UID", field: "UID", how: How::Plain, from: "", to: "" },
            Show { label: "ResourceVersion", field: "ResourceVersion", how: How::Plain, from: "", to: "" },
            Show { label: "KubeletConfigKey", field: "KubeletConfigKey", how: How::Plain, from: "", to: "" },] },
    // 316
    Type { id: 316, name: "v1.OwnerReference", kind: Kind::Struct, elem: 0, key: 0, comparable: true, stringer: Stringer::Pointer,
        fields: &[
            Field { name: "APIVersion", json: "apiVersion", ty: 7, embedded: false },
            Field { name: "Kind", json: "kind", ty: 7, embedded: false },
            Field { name: "Name", json: "name", ty: 7, embedded: false },
            Field { name: "UID", json: "uid", ty: 26, embedded: false },
            Field { name: "Controller", json: "controller", ty: 59, embedded: false },
            Field { name: "BlockOwnerDeletion", json: "blockOwnerDeletion", ty: 59, embedded: false },],
        methods: &["DeepCopy", "DeepCopyInto", "Descriptor", "Marshal", "MarshalTo", "MarshalToSizedBuffer", "ProtoMessage", "Reset", "Size", "String", "SwaggerDoc", "Unmarshal", "XXX_DiscardUnknown", "XXX_Marshal", "XXX_Merge", "XXX_Size", "XXX_Unmarshal", ],
        show: &[
            Show { label: "Kind", field: "Kind", how: How::Plain, from: "", to: "" },
            Show { label: "Name", field: "Name", how: How::Plain, from: "", to: "" },
            Show { label: "UID", field: "UID", how: How::Plain, from: "", to: "" },
            Show { label: "APIVersion", field: "APIVersion", how: How::Plain, from: "", to: "" },
            Show { label: "Controller", field: "Controller", how: How::Pointer, from: "", to: "" },
            Show { label: "BlockOwnerDeletion", field: "BlockOwnerDeletion", how: How::Pointer, from: "", to: "" },] },
    // 317
    Type { id: 317, name: "[]v1.PodSpec", kind: Kind::Slice, elem: 36, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 318
    Type { id: 318, name: "[]v1.NodeSpec", kind: Kind::Slice, elem: 309, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
    // 319
    Type { id: 319, name: "[]v1.ObjectMeta", kind: Kind::Slice, elem: 25, key: 0, comparable: false, stringer: Stringer::No,
        fields: &[],
        methods: &[],
        show: &[] },
];
