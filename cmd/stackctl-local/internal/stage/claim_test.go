package stage

import (
	"context"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
	"sigs.k8s.io/yaml"
)

func TestClaimGetsAVolume(t *testing.T) {
	for _, tt := range []struct {
		reason string
		change func(*corev1.PersistentVolumeClaim)
		want   bool
	}{
		{"a volume is wanted", func(*corev1.PersistentVolumeClaim) {}, true},
		{"not wanted, or not yet", func(c *corev1.PersistentVolumeClaim) { c.Annotations = nil }, false},
		{"wanted from somebody else", func(c *corev1.PersistentVolumeClaim) { c.Annotations[annotationProvisioner] = "ebs.csi.aws.com" }, false},
		{"the claim has one", func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pvc-uid-1" }, false},
		{"the claim goes", func(c *corev1.PersistentVolumeClaim) { now := metav1.Now(); c.DeletionTimestamp = &now }, false},
	} {
		claim := newClaim()
		tt.change(claim)
		volume, _ := playClaim(t, "PersistentVolumeClaim", claim)
		if (volume != nil) != tt.want {
			t.Errorf("%s: made %v", tt.reason, volume)
		}
	}

	claim := newClaim()
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany, corev1.ReadOnlyMany}
	volume, _ := playClaim(t, "PersistentVolumeClaim", claim)
	if spec := volume.Spec; !reflect.DeepEqual(spec.AccessModes, claim.Spec.AccessModes) ||
		!reflect.DeepEqual(spec.Capacity, claim.Spec.Resources.Requests) || *spec.VolumeMode != corev1.PersistentVolumeFilesystem ||
		spec.StorageClassName != "standard" || spec.ClaimRef.UID != "uid-1" || spec.ClaimRef.Name != "data" || spec.ClaimRef.Namespace != "shop" {
		t.Errorf("the volume does not fit the claim: %+v", spec)
	}
}

func TestVolumeGoesWithItsClaim(t *testing.T) {
	made, _ := playClaim(t, "PersistentVolumeClaim", newClaim())
	for _, tt := range []struct {
		reason string
		change func(*corev1.PersistentVolume)
		want   bool
	}{
		{"the claim is gone", func(*corev1.PersistentVolume) {}, true},
		{"the claim is there", func(v *corev1.PersistentVolume) { v.Status.Phase = corev1.VolumeBound }, false},
		{"somebody wants to keep it", func(v *corev1.PersistentVolume) {
			v.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
		}, false},
		{"somebody else made it", func(v *corev1.PersistentVolume) { v.Annotations = nil }, false},
	} {
		volume := made.DeepCopy()
		volume.Status.Phase = corev1.VolumeReleased
		tt.change(volume)
		if _, deleted := playClaim(t, "PersistentVolume", volume); deleted != tt.want {
			t.Errorf("%s: deleted %v", tt.reason, deleted)
		}
	}
}

const annotationProvisioner = "volume.kubernetes.io/storage-provisioner"

func newClaim() *corev1.PersistentVolumeClaim {
	class, mode := "standard", corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "shop", UID: "uid-1", Annotations: map[string]string{annotationProvisioner: Provisioner}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			VolumeMode:       &mode,
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// playClaim plays the stage that matches an object, if any does, and returns
// what it makes and whether it deletes the object.
func playClaim(t *testing.T, kind string, object metav1.Object) (made *corev1.PersistentVolume, deleted bool) {
	t.Helper()
	lc, err := lifecycle.NewLifecycle(stagesOf(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	data, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := lc.Match(context.Background(), &lifecycle.Event{Annotations: object.GetAnnotations(), Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if stage == nil {
		return nil, false
	}
	_, err = stage.DoSteps(0, nil, data, gotpl.NewRenderer(nil),
		func(*internalversion.StageEvent) error { return nil },
		func() error { deleted = true; return nil },
		func(*lifecycle.Patch) error { t.Fatal("a stage changes the object"); return nil },
		func(apply *lifecycle.Apply) error { return yaml.UnmarshalStrict(apply.Data, &made) })
	if err != nil {
		t.Fatal(err)
	}
	return made, deleted
}
